import os


def test_the_cart_works() -> None:
    assert os.environ.get("BROKEN") != "cart", "The cart is broken."


def test_the_cart_still_works() -> None:
    assert True
