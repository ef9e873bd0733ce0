"""Registration, sign-in and passwords. Slow because a password hash is meant to be."""

import pytest
from shop.models import Customer
from shop.passwords import hash_password

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def ada(seed, password_hash) -> Customer:
    return seed.customer(email="ada@example.test", password_hash=password_hash)


def register(client, **changes: str):
    body = {"email": "grace@example.test", "name": "Grace", "password": PASSWORD} | changes
    return client.post("/customers", json=body)


def login(client, email: str, password: str):
    return client.post("/login", json={"email": email, "password": password})


def test_a_new_customer_can_sign_in_and_see_the_account(api) -> None:
    register(api)

    token = login(api, "grace@example.test", PASSWORD).json()["access_token"]

    me = api.get("/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert (me["email"], me["role"]) == ("grace@example.test", "customer")


def test_the_password_itself_is_not_stored(api, clean_database) -> None:
    register(api)

    (stored,) = clean_database.rows("customers", email="grace@example.test")

    assert stored["password_hash"].startswith("scrypt$")
    assert PASSWORD not in stored["password_hash"]


def test_an_email_can_be_registered_only_once(api, ada: Customer) -> None:
    answer = register(api, email=ada.email)

    assert answer.status_code == 409
    assert "registered already" in answer.json()["detail"]


def test_an_email_is_the_same_in_any_case(api, ada: Customer) -> None:
    assert register(api, email=ada.email.upper()).status_code == 409


@pytest.mark.parametrize("email", ["ada@home", "a b@example.test"])
def test_what_is_no_email_is_refused(api, email: str) -> None:
    assert register(api, email=email).status_code == 422


def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(api, ada: Customer) -> None:
    wrong = login(api, ada.email, "not the password")
    unknown = login(api, "nobody@example.test", PASSWORD)

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.json() == unknown.json()


def test_after_a_change_only_the_new_password_works(api, ada: Customer) -> None:
    change = {"old_password": PASSWORD, "new_password": "another horse entirely"}

    assert api.as_("customer", sub=str(ada.id)).put("/me/password", json=change).status_code == 204

    assert login(api, ada.email, PASSWORD).status_code == 401
    assert login(api, ada.email, "another horse entirely").status_code == 200


def test_the_password_is_not_changed_without_the_old_one(api, ada: Customer) -> None:
    change = {"old_password": "a wrong guess", "new_password": "another horse entirely"}

    assert api.as_("customer", sub=str(ada.id)).put("/me/password", json=change).status_code == 401


def test_an_expired_token_is_refused(api, token_for, ada: Customer) -> None:
    answer = api.get("/me", headers=token_for.header("customer", sub=str(ada.id), exp=1))

    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]
