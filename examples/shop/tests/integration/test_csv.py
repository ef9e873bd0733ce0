"""The catalogue as CSV, thousands of rows at a time: the longest file of the suite."""

import csv
import io

import pytest

pytestmark = pytest.mark.integration

ROWS = 6000


def catalogue(rows: int, *, price_cents: int = 100, first: int = 0) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sku", "name", "category", "price_cents", "quantity"])
    for number in range(first, first + rows):
        writer.writerow([f"P-{number:06}", f'Product "{number}", large', f"c{number % 7}", price_cents, number % 50])
    return text.getvalue()


def upload(client, text: str):
    return client.post("/products/import", content=text.encode(), headers={"Content-Type": "text/csv"})


@pytest.fixture
def stocked(as_clerk):
    """A catalogue of 6000 products, imported as a clerk would."""
    assert upload(as_clerk, catalogue(ROWS)).json() == {"created": ROWS, "updated": 0}


@pytest.mark.usefixtures("stocked")
def test_a_large_catalogue_is_imported_completely(clean_database) -> None:
    assert clean_database.execute("SELECT count(*) AS products FROM products") == [{"products": ROWS}]
    assert clean_database.execute("SELECT sum(quantity) AS pieces FROM stock") == [
        {"pieces": sum(number % 50 for number in range(ROWS))}
    ]


@pytest.mark.usefixtures("stocked")
def test_a_second_import_updates_what_is_there_and_adds_the_rest(as_clerk, clean_database) -> None:
    answer = upload(as_clerk, catalogue(ROWS, price_cents=250, first=ROWS // 2))

    assert answer.json() == {"created": ROWS // 2, "updated": ROWS // 2}
    counts = clean_database.execute("SELECT price_cents, count(*) AS products FROM products GROUP BY 1 ORDER BY 1")
    assert [tuple(row.values()) for row in counts] == [(100, ROWS // 2), (250, ROWS)]


@pytest.mark.usefixtures("stocked")
def test_an_export_can_be_imported_again_without_a_change(as_clerk) -> None:
    exported = as_clerk.get("/products/export").text

    assert upload(as_clerk, exported).json() == {"created": 0, "updated": ROWS}
    assert as_clerk.get("/products/export").text == exported


def test_one_wrong_row_among_thousands_imports_nothing(as_clerk, clean_database) -> None:
    text = catalogue(ROWS) + "BAD,Bad row,c1,12.50,1\n"

    answer = upload(as_clerk, text)

    assert answer.status_code == 422
    assert answer.json()["detail"] == f"line {ROWS + 2}: price_cents is '12.50', not a whole number"
    assert clean_database.count("products") == 0


def test_many_wrong_rows_are_counted_and_the_first_are_shown(as_clerk) -> None:
    text = catalogue(0) + "X,Name,c,-1,1\n" * 30

    detail = upload(as_clerk, text).json()["detail"]

    assert detail.startswith("line 2: price_cents is '-1'")
    assert detail.endswith("; and 10 more")


def test_missing_columns_are_named(as_clerk) -> None:
    answer = upload(as_clerk, "sku,name\n")

    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "Missing columns: category, price_cents, quantity.",
    )


def test_a_file_saved_by_a_spreadsheet_is_read_too(as_clerk, api) -> None:
    text = "\ufeffquantity,price_cents,category,name,sku\r\n3,450,tea,Grüner Tee,TEA\r\n"

    assert upload(as_clerk, text).json() == {"created": 1, "updated": 0}
    assert api.get("/products/TEA").json()["name"] == "Grüner Tee"
