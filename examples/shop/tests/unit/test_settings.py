"""Settings out of a made-up environment."""

from shop.settings import Settings, with_driver


def test_a_plain_postgresql_url_gets_the_driver() -> None:
    assert with_driver("postgresql://u:p@host:5432/shop") == "postgresql+psycopg://u:p@host:5432/shop"


def test_a_url_with_a_driver_is_left_alone() -> None:
    assert with_driver("sqlite:////tmp/shop.db") == "sqlite:////tmp/shop.db"


def test_with_no_url_carts_stay_in_process_and_rows_in_a_file() -> None:
    settings = Settings.from_environment({})

    assert settings.redis_url == ""
    assert settings.database_url.startswith("sqlite:///")
