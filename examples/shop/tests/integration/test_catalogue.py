"""The catalogue: pages, search, changes. The search works on a shop full of products."""

import pytest
from support.seeds import Seed

pytestmark = [pytest.mark.integration, pytest.mark.keeps_data]

COLOURS = ("red", "green", "blue", "black", "white")
THINGS = ("mug", "pen", "notebook", "lamp", "bag", "chair")
SIZES = ("small", "medium", "large")
SERIES = 4
FULL = len(COLOURS) * len(THINGS) * len(SIZES) * SERIES


@pytest.fixture(scope="module")
def full_shop(app, database):
    """360 products and two off sale; removed after the last test of this file."""
    with app.state.sessions.begin() as session:
        fill(Seed(session.add))
    yield
    database.reset()


def fill(seed: Seed) -> None:
    for series in range(1, SERIES + 1):
        for t, thing in enumerate(THINGS):
            for c, colour in enumerate(COLOURS):
                for s, size in enumerate(SIZES):
                    seed.product(
                        f"{thing}-{colour}-{size}-{series}".upper(),
                        name=f"{size} {colour} {thing} no. {series}",
                        category=thing,
                        price_cents=100 * (1 + t + c + s) + series,
                    )
    seed.product("OLD-1", name="red mug of last year", category="mug", is_active=False)
    seed.product("ODD-1", name="100% cotton bag_", category="odd", price_cents=5)


@pytest.fixture
def shop(request, api):
    """A visitor of the full shop."""
    request.getfixturevalue("full_shop")
    return api


def test_the_catalogue_comes_in_pages_that_do_not_overlap(shop) -> None:
    pages = [shop.get("/products", params={"limit": 100, "offset": offset}).json() for offset in range(0, 400, 100)]

    skus = [item["sku"] for page in pages for item in page["items"]]
    assert len(skus) == len(set(skus)) == FULL + 1
    assert {page["total"] for page in pages} == {FULL + 1}


def test_a_category_holds_only_its_own_products(shop) -> None:
    page = shop.get("/products", params={"category": "lamp", "limit": 200}).json()

    assert page["total"] == FULL // len(THINGS)
    assert {item["category"] for item in page["items"]} == {"lamp"}


def test_what_is_off_sale_is_not_listed(shop) -> None:
    page = shop.get("/products", params={"category": "mug", "limit": 200}).json()

    assert "OLD-1" not in {item["sku"] for item in page["items"]}


def test_every_word_must_occur_in_any_order_and_case(shop) -> None:
    page = shop.get("/products/search", params={"q": "MUG red"}).json()

    assert page["total"] == len(SIZES) * SERIES
    assert all("red mug" in item["name"] for item in page["items"])


def test_a_search_finds_skus_too(shop) -> None:
    page = shop.get("/products/search", params={"q": "lamp-bl"}).json()

    assert {item["name"].rpartition(" no. ")[0] for item in page["items"]} == {
        f"{size} {colour} lamp" for size in SIZES for colour in ("blue", "black")
    }


@pytest.mark.parametrize("wildcard", ["%%", "g_"])
def test_wildcards_of_sql_are_ordinary_characters(shop, wildcard: str) -> None:
    page = shop.get("/products/search", params={"q": wildcard}).json()

    assert [item["sku"] for item in page["items"]] == (["ODD-1"] if wildcard == "g_" else [])


def test_results_can_be_sorted_by_price_both_ways(shop) -> None:
    up = shop.get("/products/search", params={"q": "large chair", "sort": "price"}).json()["items"]
    down = shop.get("/products/search", params={"q": "large chair", "sort": "-price"}).json()["items"]

    prices = [item["price_cents"] for item in up]
    assert prices == sorted(prices)
    assert [item["price_cents"] for item in down] == sorted(prices, reverse=True)


def test_a_highest_price_is_kept_to(shop) -> None:
    page = shop.get("/products/search", params={"q": "pen", "max_price_cents": 301, "limit": 200}).json()

    assert page["total"] > 0
    assert max(item["price_cents"] for item in page["items"]) <= 301


def test_an_unknown_product_is_named_in_the_answer(shop) -> None:
    answer = shop.get("/products/NO-SUCH")

    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no product NO-SUCH.")


@pytest.mark.usefixtures("full_shop")
def test_a_sku_can_be_given_only_once(as_clerk) -> None:
    answer = as_clerk.post("/products", json={"sku": "ODD-1", "name": "Again", "price_cents": 1})

    assert answer.status_code == 409


@pytest.mark.skip(reason="The search corrects no spelling yet: that needs pg_trgm, which SQLite has not.")
def test_a_search_forgives_a_typing_error(shop) -> None:
    assert shop.get("/products/search", params={"q": "notebok"}).json()["total"] > 0
