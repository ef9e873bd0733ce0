import os


def test_the_login_works() -> None:
    assert os.environ.get("BROKEN") != "login", "The login is broken."


def test_the_login_still_works() -> None:
    assert True
