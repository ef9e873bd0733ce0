"""What a repository's files say of its integration tests."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ci_itest.config.reader import read_config
from ci_itest.flows.discover import discover
from ci_itest.flows.starting_files import starting_settings, starting_workflow
from ci_itest.model.settings import TokenSettings
from tests.helpers.suites import write_files

PROJECT = Path(__file__).resolve().parents[3]

PYTEST = {
    "tests/unit/test_price.py": "def test_it(): pass",
    "tests/integration/api/test_cart.py": "import os\nURL = os.environ['SHOP_URL']\n",
    "shop/app.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/healthz')\ndef health(): ...\n",
    "shop/db.py": "import os\nhost, user = os.environ['DB_HOST'], os.environ['DB_USER']\n",
    "pyproject.toml": "[project]\nname='shop'\ndependencies=['psycopg[binary]>=3', 'redis']\n"
    "[tool.pytest.ini_options]\nmarkers=['integration: needs services']\n",
    "alembic.ini": "[alembic]\nscript_location = db/migrations\n",
}


def test_tests_called_after_integration_are_the_suite(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, PYTEST))

    assert [(suite.runner, suite.tests, suite.markers) for suite in found.suites] == [
        ("pytest", ("tests/integration",), "integration")
    ]


def test_services_follow_from_the_clients_that_the_code_depends_on(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, PYTEST))

    assert [(service.name, service.why) for service in found.services] == [
        ("postgres", "a client in pyproject.toml"),
        ("redis", "a client in pyproject.toml"),
    ]


@pytest.mark.parametrize("place", ["docker-compose.yml", "compose.test.yaml", ".github/workflows/ci.yml"])
def test_an_image_that_a_file_names_is_taken_with_its_version(place: str, tmp_path: Path) -> None:
    text = "services:\n  db:\n    image: 'postgis/postgis:17-3.5'\n  sso:\n    image: acme/sso:1\n"

    found = discover(write_files(tmp_path, {**PYTEST, place: text}))

    assert [(service.name, service.image, service.why) for service in found.services][:1] == [
        ("postgres", "postgis/postgis:17-3.5", place)
    ]


def test_variables_that_the_code_reads_are_filled_by_what_was_found(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, PYTEST))

    assert found.environment == {
        "DB_HOST": "{postgres.host}",
        "DB_USER": "{postgres.user}",
        "SHOP_URL": "{app.url}",
    }
    assert found.app is not None
    assert (found.app.run, found.app.warmup) == ("uvicorn shop.app:app --port {port}", "/healthz")


def test_migrations_are_prepared_with_the_files_they_depend_on(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, PYTEST))

    assert found.prepare == (("alembic upgrade head", ("db/migrations/**",), "alembic.ini"),)


def test_two_runners_make_two_suites(tmp_path: Path) -> None:
    package = {"devDependencies": {"vitest": "^4", "@playwright/test": "^1.5"}, "dependencies": {"pg": "8"}}
    files = {
        "package.json": json.dumps(package),
        "package-lock.json": "{}",
        "src/cart.test.ts": "",
        "e2e/cart.spec.ts": "",
        "playwright.config.ts": "export default { testDir: './e2e', use: { baseURL: process.env.PAGES_URL } }",
    }

    found = discover(write_files(tmp_path, files))

    assert [(suite.runner, suite.tests) for suite in found.suites] == [
        ("vitest", ("e2e", "src")),
        ("playwright", ("e2e",)),
    ]
    assert [service.name for service in found.services] == ["postgres"]
    assert found.setup == ("npm ci",)
    assert set(tomllib.loads(starting_settings(found))["suite"]) == {"vitest", "playwright"}


@pytest.mark.parametrize(
    ("files", "runner", "service"),
    [
        ({"go.mod": "require github.com/jackc/pgx/v5 v5.7.0\n", "api/cart_test.go": ""}, "go", "postgres"),
        (
            {
                "composer.json": '{"require-dev": {"phpunit/phpunit": "^11", "ext-pdo_mysql": "*"}}',
                "tests/CartTest.php": "",
            },
            "phpunit",
            "mysql",
        ),
    ],
)
def test_go_and_php_are_known_by_their_manifests(
    files: dict[str, str], runner: str, service: str, tmp_path: Path
) -> None:
    found = discover(write_files(tmp_path, files))

    assert [suite.runner for suite in found.suites] == [runner]
    assert [one.name for one in found.services] == [service]


def test_dependencies_and_hidden_folders_are_not_looked_into(tmp_path: Path) -> None:
    files = {"node_modules/x/a.test.js": "", ".tox/test_a.py": "", "vendor/b/BTest.php": "", "package.json": "{}"}

    assert discover(write_files(tmp_path, files)).suites == ()


def test_broken_manifests_are_no_reason_to_stop(tmp_path: Path) -> None:
    files = {"package.json": "{", "pyproject.toml": "[", "tests/test_a.py": ""}

    assert [suite.runner for suite in discover(write_files(tmp_path, files)).suites] == ["pytest"]


def test_what_is_written_are_settings_that_are_taken(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, PYTEST))
    (tmp_path / "ci-itest.toml").write_text(starting_settings(found))

    suite = read_config(tmp_path, environment={}).settings.suites["main"]

    assert suite.tests == ("tests/integration",)
    assert suite.services["redis"].image == "redis:7"
    assert suite.prepare[0].run == "alembic upgrade head"


def test_the_example_shop_is_discovered_as_it_is_set_up() -> None:
    found = discover(PROJECT / "examples" / "shop")
    written = read_config(PROJECT / "examples" / "shop", environment={}).settings.suites["main"]

    assert found.suites[0].tests == written.tests
    assert {service.name: service.image for service in found.services} == {
        name: service.image for name, service in written.services.items()
    }
    assert [run for run, _, _ in found.prepare] == [step.run for step in written.prepare]
    assert found.app
    assert written.app
    assert (found.app.run, found.app.warmup) == (written.app.run, written.app.warmup)
    assert found.tokens
    assert (found.tokens.issuer, found.tokens.has_number) == (written.tokens.issuer, "sub" in written.tokens.claims)
    assert (
        found.environment.items() <= written.environment.items() | {"SHOP_JWT_SECRET": TokenSettings().secret}.items()
    )


@pytest.mark.parametrize(
    ("code", "run"),
    [
        ("from starlette.applications import Starlette\nserver: Starlette = Starlette(", "uvicorn shop.app:server"),
        ("def create_app() -> FastAPI:\n    return FastAPI()\napp = create_app()", "uvicorn shop.app:app"),
        ("def make_app():\n    return FastAPI()\n", "uvicorn shop.app:make_app --factory"),
    ],
)
def test_an_app_is_started_by_its_name_or_by_what_makes_it(code: str, run: str, tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, {**PYTEST, "shop/app.py": code}))

    assert found.app
    assert found.app.run == f"{run} --port {{port}}"


def test_an_app_that_no_test_calls_is_not_started(tmp_path: Path) -> None:
    quiet = {**PYTEST, "tests/integration/api/test_cart.py": "def test_it(app): pass"}

    assert discover(write_files(tmp_path, quiet)).app is None


def test_an_app_that_tests_start_themselves_is_known(tmp_path: Path) -> None:
    own = {**PYTEST, "tests/integration/api/test_cart.py": "def test_it(own_app): pass"}

    found = discover(write_files(tmp_path, own))

    assert found.app
    assert "SHOP_URL" not in found.environment


def test_the_app_is_given_the_secret_that_tokens_of_tests_are_signed_with(tmp_path: Path) -> None:
    tokens = {
        "tests/integration/api/test_cart.py": "def test_it(api): api.as_('clerk')",
        "shop/tokens.py": "import jwt, os\nISSUER = 'shop'\nKEY = os.environ['SHOP_JWT_SECRET']\n",
    }
    found = discover(write_files(tmp_path, {**PYTEST, **tokens}))
    (tmp_path / "ci-itest.toml").write_text(starting_settings(found))

    suite = read_config(tmp_path, environment={}).settings.suites["main"]

    assert suite.environment["SHOP_JWT_SECRET"] == suite.tokens.secret
    assert (suite.tokens.issuer, dict(suite.tokens.claims)) == ("shop", {})


def test_the_secret_of_tokens_is_left_alone_where_no_test_mints_one(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, {**PYTEST, "shop/tokens.py": "KEY = os.environ['SHOP_JWT_SECRET']\n"}))

    assert found.tokens is None
    assert "SHOP_JWT_SECRET" not in found.environment


def test_a_workflow_in_a_folder_works_there(tmp_path: Path) -> None:
    found = discover(write_files(tmp_path, {**PYTEST, "requirements.txt": ""}))

    text = starting_workflow(found, release="v1", branch="trunk", root="backend")

    assert "branches: [trunk]" in text
    assert text.count("root: backend") == 2
    assert "working-directory: backend" in text
