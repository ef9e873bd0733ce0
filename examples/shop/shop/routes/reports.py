"""Reports, for admins only."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query

from shop import reports
from shop.dependencies import FOR_ADMINS, DatabaseSession
from shop.errors import BadContentError

router = APIRouter(prefix="/reports", tags=["reports"])
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/sales", dependencies=[FOR_ADMINS])
def sales(session: DatabaseSession, first: date, last: date) -> list[dict[str, Any]]:
    if first > last:
        raise BadContentError(f"The first day ({first}) is after the last ({last}).")
    return reports.sales_by_day(session, first=first, last=last)


@router.get("/best-sellers", dependencies=[FOR_ADMINS])
def best_sellers(session: DatabaseSession, limit: Limit = 10) -> list[dict[str, Any]]:
    return reports.best_sellers(session, limit=limit)


@router.get("/best-customers", dependencies=[FOR_ADMINS])
def best_customers(session: DatabaseSession, limit: Limit = 10) -> list[dict[str, Any]]:
    return reports.best_customers(session, limit=limit)


@router.get("/stock-value", dependencies=[FOR_ADMINS])
def stock_value(session: DatabaseSession) -> list[dict[str, Any]]:
    return reports.stock_value(session)
