"""What a repository's own files say of its integration tests: runners, services, variables, migrations, app.

Names and texts are looked at; nothing is run and nothing is imported. What is found is a start that people correct, so
each finding says where it comes from.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci_itest.containers.known_images import KNOWN_IMAGES, known_image
from ci_itest.flows.repository_files import RepositoryFiles
from ci_itest.model.settings import TokenSettings
from ci_itest.runners.node import TEST_FILE

_IMAGE = re.compile(r"""^\s*(?:-\s*)?image:\s*["']?([\w.\-/:]+:[\w.\-]+)""", re.MULTILINE)
_ASGI = re.compile(r"\b(?:FastAPI|Starlette|Litestar|Quart)\(")
_APPLICATION = re.compile(
    r"^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:FastAPI|Starlette|Litestar|Quart|(?:create|make|build|get)_app\w*)\(", re.MULTILINE
)
_FACTORY = re.compile(r"^def ((?:create|make|build|get)_app\w*)\(", re.MULTILINE)
_HEALTH = re.compile(r"""["'](/(?:healthz?|ready|readyz|status|ping))["']""")
_SIGNING_KEY = re.compile(r"\b(?:[A-Z0-9]+_)*(?:JWT|TOKEN)_(?:SECRET|KEY|SECRET_KEY)\b")
_ISSUER = re.compile(r"""^\s*(?:\w+_)?ISSUER\s*(?::\s*\w+\s*)?=\s*["']([^"']+)["']""", re.MULTILINE)
_SUBJECT_IS_NUMBER = re.compile(r"""\bint\(\w+(?:\[|\.get\()["']sub["']""")
_MINTS_TOKENS = re.compile(r"\btoken_for\b|\bapi\.as_\(")
_PYTHON_CODE = r"^(?!.*(^|/)tests?/).*\.py$"
_PYTHON_TESTS = r"(^|/)tests?/.*\.py$"
_BASE_URL = re.compile(r"baseURL:\s*process\.env\.(\w+)")

_TESTS = {
    "pytest": re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$"),
    "vitest": TEST_FILE,
    "jest": re.compile(r"(^|/)__tests__/.*\.[cm]?[jt]sx?$|\.(test|spec)\.[cm]?[jt]sx?$"),
    "playwright": TEST_FILE,
    "go": re.compile(r"_test\.go$"),
    "phpunit": re.compile(r"Test\.php$"),
    "dotnet": re.compile(r"Tests?\.csproj$"),
}

_TAGS = {
    "postgres": "15",
    "mysql": "8.4",
    "mariadb": "10.11",
    "redis": "7",
    "rabbitmq": "3",
    "nats": "2",
    "memcached": "1",
    "mongo": "7",
    "kafka": "3.9.0",
    "elasticsearch": "8.17.0",
    "opensearch": "2",
}
_REPOSITORIES = {"kafka": "apache/kafka", "opensearch": "opensearchproject/opensearch"}

_CLIENTS = {
    "postgres": r"psycopg2?(?:-binary)?|asyncpg|pg|postgres|github\.com/(?:lib/pq|jackc/pgx\S*)|"
    r"ext-(?:pdo_)?pgsql|Npgsql",
    "mysql": r"pymysql|mysqlclient|aiomysql|mysql2|github\.com/go-sql-driver/mysql|ext-pdo_mysql|MySqlConnector",
    "redis": r"redis|ioredis|github\.com/redis/go-redis\S*|predis/predis|ext-redis|StackExchange\.Redis",
    "rabbitmq": r"pika|aio-pika|amqplib|github\.com/rabbitmq/amqp091-go|php-amqplib/php-amqplib|RabbitMQ\.Client",
    "nats": r"nats-py|nats|github\.com/nats-io/nats\.go",
    "kafka": r"kafka-python|aiokafka|confluent-kafka|kafkajs|github\.com/segmentio/kafka-go",
    "mongo": r"pymongo|motor|mongodb|mongoose|go\.mongodb\.org/mongo-driver\S*|mongodb/mongodb",
    "elasticsearch": r"elasticsearch|@elastic/elasticsearch",
    "opensearch": r"opensearch-py|@opensearch-project/opensearch",
    "memcached": r"pymemcache|python-memcached|memjs",
}
_DEPENDENCIES = {
    name: re.compile(rf"""(?:^|["'\s])(?:{names})(?=["'\s\[<>=~!;,]|$)""", re.MULTILINE)
    for name, names in _CLIENTS.items()
}

_URLS = {
    "postgres": ("DATABASE_URL", "POSTGRES_URL", "PG_URL", "POSTGRES_DSN", "DATABASE_DSN"),
    "mysql": ("DATABASE_URL", "MYSQL_URL", "MYSQL_DSN"),
    "mariadb": ("DATABASE_URL", "MARIADB_URL", "MYSQL_URL"),
    "redis": ("REDIS_URL", "CACHE_URL", "REDIS_DSN"),
    "valkey": ("VALKEY_URL", "REDIS_URL"),
    "rabbitmq": ("AMQP_URL", "RABBITMQ_URL", "BROKER_URL", "CELERY_BROKER_URL"),
    "nats": ("NATS_URL",),
    "mongo": ("MONGO_URL", "MONGODB_URI", "MONGODB_URL"),
    "elasticsearch": ("ELASTICSEARCH_URL", "ELASTIC_URL"),
    "opensearch": ("OPENSEARCH_URL",),
    "memcached": ("MEMCACHED_URL",),
}
_SQL_PARTS = {"HOST": "host", "PORT": "port", "USER": "user", "USERNAME": "user", "PASSWORD": "password",
              "NAME": "database", "DATABASE": "database", "DB": "database"}  # fmt: skip
_PREFIXES = {
    "postgres": ("PG", "POSTGRES_", "DB_", "DATABASE_"),
    "mysql": ("MYSQL_", "DB_", "DATABASE_"),
    "mariadb": ("MARIADB_", "MYSQL_", "DB_", "DATABASE_"),
    "redis": ("REDIS_",),
    "rabbitmq": ("RABBITMQ_", "AMQP_"),
    "mongo": ("MONGO_",),
}


@dataclass(frozen=True, slots=True)
class FoundSuite:
    """A runner and where its tests are.

    Attributes:
        markers: What tells integration tests from others, "" when nothing does.
    """

    runner: str
    tests: tuple[str, ...]
    why: str
    markers: str = ""


@dataclass(frozen=True, slots=True)
class FoundService:
    """A service that the tests seem to need, and which file says so."""

    name: str
    image: str
    why: str


@dataclass(frozen=True, slots=True)
class FoundApp:
    """A server that the tests seem to call."""

    run: str
    warmup: str
    why: str


@dataclass(frozen=True, slots=True)
class FoundTokens:
    """What the app checks the tokens of its callers with, where tests mint their own.

    Attributes:
        variables: Variables out of which it reads the secret that signs them.
        issuer: "" where it names none.
        has_number: Whether it reads the claim `sub` as a number.
    """

    variables: tuple[str, ...]
    issuer: str
    has_number: bool
    why: str


@dataclass(frozen=True, slots=True)
class Discovered:
    """All that was found.

    Attributes:
        environment: Variables with their templates, sorted.
        prepare: Commands with the patterns they depend on, and which file says so.
        setup: Commands that install what the tests need, for the workflow.
    """

    suites: tuple[FoundSuite, ...] = ()
    services: tuple[FoundService, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[tuple[str, tuple[str, ...], str], ...] = ()
    app: FoundApp | None = None
    tokens: FoundTokens | None = None
    setup: tuple[str, ...] = ()


def discover(root: Path) -> Discovered:
    """What the files below a folder say; hidden folders, dependencies and large files are left out."""
    files = RepositoryFiles(root)
    services = _services(files)
    app, tokens = _app(files), _tokens(files)
    return Discovered(
        suites=_suites(files),
        services=services,
        environment=_environment(files, services, app, tokens),
        prepare=_prepare(files),
        app=app,
        tokens=tokens,
        setup=_setup(files),
    )


def _suites(files: RepositoryFiles) -> tuple[FoundSuite, ...]:
    found = []
    for runner, why in _runners(files):
        places = _places(files, runner)
        if places:
            found.append(FoundSuite(runner, places, why, markers=_markers(files) if runner == "pytest" else ""))
    return tuple(found)


def _runners(files: RepositoryFiles) -> Iterator[tuple[str, str]]:
    wanted = {**files.package.get("dependencies", {}), **files.package.get("devDependencies", {})}
    for runner, package in (("vitest", "vitest"), ("jest", "jest"), ("playwright", "@playwright/test")):
        if package in wanted:
            yield runner, f"package.json names {package}"
    if files.has("go.mod"):
        yield "go", "there is a go.mod"
    if "phpunit/phpunit" in files.text("composer.json") or files.has("phpunit.xml") or files.has("phpunit.xml.dist"):
        yield "phpunit", "there is a PHPUnit"
    if any(_TESTS["dotnet"].search(name) for name in files.names):
        yield "dotnet", "there is a test project of .NET"
    if any(_TESTS["pytest"].search(name) for name in files.names):
        yield "pytest", "there are files that pytest takes"


def _places(files: RepositoryFiles, runner: str) -> tuple[str, ...]:
    """Folders with the runner's tests: those called after integration where there are any, else the top ones."""
    if runner == "playwright" and (folder := _playwright_folder(files)):
        return (folder,)
    tests = [name for name in files.names if _TESTS[runner].search(name)]
    folders = {name.rpartition("/")[0] for name in tests}
    integration = {_up_to_integration(folder) for folder in folders if "integration" in folder}
    if integration:
        return tuple(sorted(integration))
    tops = {folder.partition("/")[0] or "." for folder in folders}
    return (".",) if "." in tops else tuple(sorted(tops))


def _playwright_folder(files: RepositoryFiles) -> str:
    for name in files.matching(r"^playwright\.config\.[cm]?[jt]s$"):
        if found := re.search(r"""testDir:\s*["']\.?/?([^"']+)""", files.text(name)):
            return found[1]
    return ""


def _up_to_integration(folder: str) -> str:
    parts = folder.split("/")
    last = next(number for number, part in enumerate(parts) if "integration" in part)
    return "/".join(parts[: last + 1])


def _markers(files: RepositoryFiles) -> str:
    tool = files.pyproject.get("tool", {}).get("pytest", {})
    markers = [str(marker) for marker in tool.get("ini_options", {}).get("markers", [])]
    declared = [*markers, *files.text("pytest.ini").splitlines(), *files.text("setup.cfg").splitlines()]
    return "integration" if any(re.match(r"\s*integration\b", marker) for marker in declared) else ""


def _services(files: RepositoryFiles) -> tuple[FoundService, ...]:
    """By the images that Compose files and workflows name, else by the clients that the code depends on."""
    found: dict[str, FoundService] = {}
    places = [
        *files.matching(r"(^|/)(docker-)?compose[^/]*\.ya?ml$"),
        *files.matching(r"^\.github/workflows/.*\.ya?ml$"),
    ]
    for place in places:
        for image in _IMAGE.findall(files.text(place)):
            if known := known_image(image):
                found.setdefault(known.name, FoundService(known.name, image, place))
    has_sql = bool({"postgres", "mysql", "mariadb"} & found.keys())
    for name, client in _DEPENDENCIES.items():
        if name in found or (has_sql and name in ("postgres", "mysql")):
            continue
        place = next((place for place in files.manifests if client.search(files.text(place))), "")
        if place:
            image = f"{_REPOSITORIES.get(name, name)}:{_TAGS[name]}"
            found[name] = FoundService(name, image, f"a client in {place}")
    order = [known.name for known in KNOWN_IMAGES]
    return tuple(sorted(found.values(), key=lambda service: order.index(service.name)))


def _environment(
    files: RepositoryFiles, services: tuple[FoundService, ...], app: FoundApp | None, tokens: FoundTokens | None
) -> dict[str, str]:
    """Variables that the code reads and that services, the app or the tokens' secret can fill."""
    read = _variables(files)
    found: dict[str, str] = {}
    for service in services:
        for name in _URLS.get(service.name, ()):
            if name in read:
                found.setdefault(name, f"{{{service.name}.url}}")
        for prefix in _PREFIXES.get(service.name, ()):
            for part, value in _SQL_PARTS.items():
                if prefix + part in read and (service.name not in ("redis", "nats") or value in ("host", "port")):
                    found.setdefault(prefix + part, f"{{{service.name}.{value}}}")
    if app:
        found |= dict.fromkeys(_app_variables(files), "{app.url}")
    if tokens:
        found |= dict.fromkeys(tokens.variables, TokenSettings().secret)
    return dict(sorted(found.items()))


def _variables(files: RepositoryFiles) -> frozenset[str]:
    """Words in capitals in code and examples of .env files."""
    names = [*files.matching(r"\.(py|[cm]?[jt]sx?|go|php|cs|rb|java|kt)$"), *files.matching(r"(^|/)\.env[^/]*$")]
    return frozenset(word for name in names for word in re.findall(r"\b[A-Z][A-Z0-9]*_?[A-Z0-9_]+\b", files.text(name)))


def _prepare(files: RepositoryFiles) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    found: list[tuple[str, tuple[str, ...], str]] = []
    if files.has("alembic.ini"):
        location = re.search(r"^script_location\s*=\s*(?:%\(here\)s/)?(\S+)", files.text("alembic.ini"), re.MULTILINE)
        found.append(("alembic upgrade head", (f"{location[1] if location else 'migrations'}/**",), "alembic.ini"))
    elif files.has("manage.py"):
        found.append(("python manage.py migrate --noinput", ("**/migrations/**",), "manage.py"))
    if files.has("prisma/schema.prisma"):
        found.append(("npx prisma migrate deploy", ("prisma/**",), "prisma/schema.prisma"))
    elif script := files.package.get("scripts", {}).get("migrate"):
        inputs = tuple(word for word in str(script).split() if files.has(word))
        found.append(("npm run migrate", inputs, "package.json"))
    if files.has("artisan"):
        found.append(("php artisan migrate --force", ("database/migrations/**",), "artisan"))
    elif files.has("bin/console") and "doctrine-migrations" in files.text("composer.json"):
        run = "php bin/console doctrine:migrations:migrate --no-interaction"
        found.append((run, ("migrations/**",), "composer.json"))
    elif files.has("migrate.php"):
        found.append(("php migrate.php", ("migrate.php",), "migrate.php"))
    return tuple(found)


def _app(files: RepositoryFiles) -> FoundApp | None:
    """A server, where the tests read its address from a variable or start it by the fixture `own_app`."""
    starts_it = any("own_app" in files.text(name) for name in files.matching(_PYTHON_TESTS))
    if not starts_it and not _app_variables(files):
        return None
    for name in files.matching(_PYTHON_CODE):
        text = files.text(name)
        if not _ASGI.search(text):
            continue
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".").removeprefix("src.")
        found, option = _APPLICATION.search(text), ""
        if not found:
            found, option = _FACTORY.search(text), " --factory"
        if found:
            run = f"uvicorn {module}:{found[1]}{option} --port {{port}}"
            return FoundApp(run, _warmup(files, r"\.py$"), name)
    if "start" in files.package.get("scripts", {}):
        return FoundApp("PORT={port} npm start", _warmup(files, r"\.[cm]?[jt]s$"), "package.json")
    return None


def _tokens(files: RepositoryFiles) -> FoundTokens | None:
    """Where the tests use `token_for` or clients of a role."""
    if not any(_MINTS_TOKENS.search(files.text(name)) for name in files.matching(_PYTHON_TESTS)):
        return None
    variables, issuer, why, has_number = set[str](), "", "", False
    for name in files.matching(_PYTHON_CODE):
        text = files.text(name)
        if keys := _SIGNING_KEY.findall(text):
            variables.update(keys)
            why = why or name
        if "jwt" in text and not issuer and (named := _ISSUER.search(text)):
            issuer = named[1]
        has_number = has_number or bool(_SUBJECT_IS_NUMBER.search(text))
    return FoundTokens(tuple(sorted(variables)), issuer, has_number, why) if variables else None


def _app_variables(files: RepositoryFiles) -> tuple[str, ...]:
    """Variables out of which tests take the address of the server: Playwright's baseURL, or named after a package."""
    named = {
        found
        for name in files.matching(r"playwright\.config\.[cm]?[jt]s$")
        for found in _BASE_URL.findall(files.text(name))
    }
    packages = {name.partition("/")[0].upper() for name in files.names if name.count("/") and name.endswith(".py")}
    form = re.compile(rf"""["']((?:APP|API|BASE|SERVER|{"|".join(map(re.escape, packages)) or "APP"})_URL)["']""")
    tests = files.matching(r"(^|/)tests?/.*\.(py|[cm]?[jt]sx?)$")
    return tuple(sorted(named | {found for name in tests for found in form.findall(files.text(name))}))


def _warmup(files: RepositoryFiles, pattern: str) -> str:
    found = (_HEALTH.search(files.text(name)) for name in files.matching(pattern))
    return next((match[1] for match in found if match), "/")


def _setup(files: RepositoryFiles) -> tuple[str, ...]:
    """Commands that install the tests' requirements on a fresh machine."""
    found = []
    if files.has("uv.lock"):
        found.append("pipx run uv sync --frozen")
    elif files.has("poetry.lock"):
        found.append('pipx run poetry install && ln -s "$(pipx run poetry env info --path)" .venv')
    elif places := sorted(name for name in files.names if re.fullmatch(r"requirements[^/]*\.txt", name)):
        listed = " ".join(f"-r {shlex.quote(place)}" for place in places)
        found.append(f"python3 -m venv .venv && .venv/bin/pip install {listed}")
    elif files.pyproject.get("project"):
        found.append("python3 -m venv .venv && .venv/bin/pip install -e . pytest pytest-xdist")
    if files.has("package-lock.json"):
        found.append("npm ci")
    elif files.has("pnpm-lock.yaml"):
        found.append("npx --yes pnpm install --frozen-lockfile")
    elif files.has("yarn.lock"):
        found.append("npx --yes yarn install --immutable")
    elif files.package:
        found.append("npm install")
    if files.has("composer.json"):
        found.append("composer install --no-interaction --no-progress")
    if files.has("go.mod"):
        found.append("go mod download")
    if any(name.endswith(".csproj") for name in files.names):
        found.append("dotnet restore")
    return tuple(found)
