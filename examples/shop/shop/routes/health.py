"""Whether the shop can serve: the database is migrated and the cache answers."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import OperationalError

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz(request: Request, response: Response) -> dict[str, str]:
    parts = {
        "database": _database(request.app.state.engine),
        "cache": "ok" if request.app.state.cache.is_alive() else "no answer",
    }
    if set(parts.values()) != {"ok"}:
        response.status_code = 503
    return parts


def _database(engine: Engine) -> str:
    try:
        return "ok" if inspect(engine).has_table("payments") else "not migrated: run `alembic upgrade head`"
    except OperationalError:
        return "no answer"
