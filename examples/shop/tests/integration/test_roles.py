"""Who may do what: one row a route, tried in every role."""

import os
import signal

import pytest

pytestmark = pytest.mark.integration

ROLES = ("customer", "clerk", "admin")
NOBODY = ""

ROUTES = {
    ("GET", "/products"): {NOBODY, "customer", "clerk", "admin"},
    ("GET", "/cart"): {"customer", "clerk", "admin"},
    ("GET", "/stock/low"): {"clerk", "admin"},
    ("DELETE", "/products/none"): {"admin"},
}


@pytest.mark.parametrize(("route", "allowed"), ROUTES.items(), ids=[" ".join(route) for route in ROUTES])
def test_a_route_lets_in_its_role_and_those_above(api, route, allowed) -> None:
    assert api.who_may(*route, roles=ROLES) == allowed


def test_without_a_token_the_answer_is_401_and_with_too_little_403(api, as_clerk) -> None:
    assert api.get("/reports/stock-value").status_code == 401
    assert as_clerk.get("/reports/stock-value").status_code == 403


def test_a_token_signed_with_another_secret_is_refused(api, token_for) -> None:
    header, payload, signature = token_for("admin").split(".")
    forged = ".".join((header, payload, signature[::-1]))

    answer = api.get("/reports/stock-value", headers={"Authorization": f"Bearer {forged}"})

    assert answer.status_code == 401


def test_a_token_with_an_unknown_role_is_refused(api, token_for) -> None:
    answer = api.get("/cart", headers=token_for.header("owner"))

    assert answer.status_code == 401
    assert "'owner'" in answer.json()["detail"]


def test_a_customer_cannot_become_a_clerk_by_asking(api, as_customer) -> None:
    if os.environ.get("SHOP_CRASH") == "1":
        # As the kernel ends a process that takes too much memory: no farewell, no report.
        os.kill(os.getpid(), signal.SIGKILL)

    body = {"email": "eve@example.test", "name": "Eve", "password": "long enough", "role": "clerk"}

    assert api.post("/customers", json=body).json()["role"] == "customer"
    assert as_customer.get("/stock/low").status_code == 403
