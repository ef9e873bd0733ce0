"""Who may do what: one row a route, tried in every role."""

import os
import signal

import pytest

pytestmark = pytest.mark.integration

EVERYBODY, CUSTOMERS, CLERKS, ADMINS = range(4)
CALLERS = ("anonymous", "customer", "clerk", "admin")

ROUTES = [
    ("GET", "/products", EVERYBODY),
    ("GET", "/cart", CUSTOMERS),
    ("GET", "/stock/low", CLERKS),
    ("DELETE", "/products/none", ADMINS),
]


@pytest.mark.parametrize(("method", "path", "lowest"), ROUTES, ids=[f"{m} {p}" for m, p, _ in ROUTES])
def test_a_route_lets_in_its_role_and_those_above(anonymous, client_for, method, path, lowest) -> None:
    clients = [anonymous, *(client_for(role) for role in CALLERS[1:])]

    statuses = [client.request(method, path).status_code for client in clients]

    let_in = [status not in (401, 403) for status in statuses]
    assert let_in == [rank >= lowest for rank in range(4)], dict(zip(CALLERS, statuses, strict=True))


def test_without_a_token_the_answer_is_401_and_with_too_little_403(anonymous, client_for) -> None:
    assert anonymous.get("/reports/stock-value").status_code == 401
    assert client_for("clerk").get("/reports/stock-value").status_code == 403


def test_a_token_signed_with_another_secret_is_refused(anonymous, token_for) -> None:
    header, payload, signature = token_for("admin").split(".")
    forged = ".".join((header, payload, signature[::-1]))

    answer = anonymous.get("/reports/stock-value", headers={"Authorization": f"Bearer {forged}"})

    assert answer.status_code == 401


def test_a_token_with_an_unknown_role_is_refused(anonymous, token_for) -> None:
    answer = anonymous.get("/cart", headers={"Authorization": f"Bearer {token_for('owner')}"})

    assert answer.status_code == 401
    assert "'owner'" in answer.json()["detail"]


def test_a_customer_cannot_become_a_clerk_by_asking(anonymous, as_customer) -> None:
    if os.environ.get("SHOP_CRASH") == "1":
        # As the kernel ends a process that takes too much memory: no farewell, no report.
        os.kill(os.getpid(), signal.SIGKILL)

    body = {"email": "eve@example.test", "name": "Eve", "password": "long enough", "role": "clerk"}

    assert anonymous.post("/customers", json=body).json()["role"] == "customer"
    assert as_customer.get("/stock/low").status_code == 403
