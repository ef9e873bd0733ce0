import os


def test_the_search_works() -> None:
    assert os.environ.get("BROKEN") != "search", "The search is broken."


def test_the_search_still_works() -> None:
    assert True
