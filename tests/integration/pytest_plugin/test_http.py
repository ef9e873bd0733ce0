"""The fixtures for HTTP in suites: the app in process and beside, stubs for hosts outside, the guard, evidence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.helpers.fixtures import pytest_in, suite

ASGI = """
    import contextlib
    import jwt
    from fastapi import Depends, FastAPI, Header, HTTPException

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.word = "started"
        yield

    app = FastAPI(lifespan=lifespan)

    def role(authorization: str = Header("")):
        if not authorization:
            raise HTTPException(401)
        token = authorization.removeprefix("Bearer ")
        return jwt.decode(token, "ci-itest-signs-with-this-in-tests-only", ["HS256"])["role"]

    @app.get("/word")
    async def word():
        return {"word": app.state.word}

    @app.delete("/orders/{number}", status_code=204)
    def delete(number: int, role=Depends(role)):
        if role != "admin":
            raise HTTPException(403)

    @app.post("/broken")
    def broken():
        raise HTTPException(500, "it broke")
"""
IN_PROCESS = """
    import pytest

    @pytest.fixture(scope="session")
    def app():
        from shop import app
        return app
"""


def test_an_asgi_app_is_called_in_process_by_role(tmp_path: Path) -> None:
    text = """
    def test_it_has_started(api):
        assert api.get("/word").json() == {"word": "started"}

    def test_roles(api):
        assert api.as_("admin").delete("/orders/1").status_code == 204
        assert api.who_may("DELETE", "/orders/1", roles=("customer", "clerk", "admin")) == {"admin"}
        assert api.delete("/orders/1").status_code == 401
        assert api.as_("clerk", role="admin").delete("/orders/1").status_code == 204
"""
    root = suite(tmp_path, {"shop.py": ASGI, "conftest.py": IN_PROCESS, "tests/test_it.py": text})

    ran = pytest_in(root)

    assert ran.counts == {"passed": 2}, ran.output


def test_a_wsgi_app_is_called_in_process(tmp_path: Path) -> None:
    text = """
    import pytest

    @pytest.fixture
    def app():
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [environ["PATH_INFO"].encode()]
        return app

    def test_it(api): assert api.get("/here").text == "/here"
    def test_another(api): assert api.get("/there").text == "/there"
"""
    root = suite(tmp_path, {"tests/test_it.py": text})

    ran = pytest_in(root)

    assert ran.counts == {"passed": 2}, ran.output


def test_the_app_of_the_settings_is_started_for_the_worker(tmp_path: Path) -> None:
    settings = f"""
[app]
run = "{sys.executable} -m uvicorn shop:app --port {{port}}"
warmup = "/word"
[environment]
SHOP_URL = "{{app.url}}"
"""
    text = """
    import os

    def test_it(api, app):
        assert api.get("/word").json() == {"word": "started"}
        assert os.environ["SHOP_URL"] == app
        assert api.as_("clerk").delete("/orders/1").status_code == 403
"""
    root = suite(tmp_path, {"shop.py": ASGI, "tests/test_it.py": text}, settings=settings)

    ran = pytest_in(root)

    assert ran.counts == {"passed": 1}, ran.output


@pytest.mark.parametrize(
    ("files", "settings", "words"),
    [
        ({}, "", "There is no app: the settings have no [app], and no conftest.py a fixture `app`."),
        ({}, '[app]\nimage = "shop:1"\n', "App app is a container, which plain pytest does not start."),
        ({}, '[app]\nrun = "exit 3"\n', "The app ended with code 3 before / answered."),
        ({"conftest.py": "import pytest\n@pytest.fixture\ndef app(): return 5\n"}, "", "The fixture `app` gave int."),
    ],
)
def test_an_app_that_is_none_is_told(tmp_path: Path, files: dict[str, str], settings: str, words: str) -> None:
    root = suite(tmp_path, {**files, "tests/test_it.py": "def test_it(api): pass\n"}, settings=settings)

    ran = pytest_in(root)

    assert words in ran.output
    assert ran.counts == {"error": 1}, ran.output


def test_hosts_outside_are_answered_by_stubs_whatever_the_client(tmp_path: Path) -> None:
    text = """
    import json, re, urllib.request
    import httpx, pytest, requests

    def by_httpx(url): return httpx.get(url).json()
    def by_requests(url): return requests.get(url).json()
    def by_urllib(url): return json.load(urllib.request.urlopen(url))

    @pytest.mark.parametrize("get", [by_httpx, by_requests, by_urllib])
    def test_plain(stub_http, get):
        stub = stub_http("http://rates.example")
        stub.on("GET", "/today").returns({"eur": 1.1})
        assert get("http://rates.example/today?x=1") == {"eur": 1.1}
        assert [one.path for one in stub.requests] == ["/today"]

    @pytest.mark.parametrize("get", [by_httpx, by_requests])
    def test_over_tls(stub_http, get):
        stub_http("https://rates.example").on("GET", "/today").returns({"eur": 1.1})
        assert get("https://rates.example/today") == {"eur": 1.1}

    def test_from_elsewhere(stub_http):
        stub = stub_http("https://pay.example")
        stub.on("POST", "/charges").fails(503, times=2).returns({"id": 1}, status=201)
        answers = [httpx.post(f"{stub.url}/charges", json={"cents": 5}) for _ in range(4)]
        assert [one.status_code for one in answers] == [503, 503, 201, 201]
        assert stub.requests[0].json() == {"cents": 5}

    def test_by_function_and_pattern(stub_http):
        stub = stub_http("https://pay.example")
        stub.on("GET", re.compile(r"/users/\\d+")).answers(lambda asked: (202, {"path": asked.path}))
        assert httpx.get("https://pay.example/users/7").json() == {"path": "/users/7"}

    def test_silence(stub_http):
        stub_http("https://slow.example").on("GET", "/").keeps_silent()
        with pytest.raises(httpx.ReadTimeout):
            httpx.get("https://slow.example/", timeout=0.2)

    async def call():
        async with httpx.AsyncClient() as client:
            return (await client.get("https://rates.example/")).text

    def test_asynchronous(stub_http):
        import asyncio
        stub_http("https://rates.example").on("GET", "/").returns("text")
        assert asyncio.run(call()) == "text"
"""
    root = suite(tmp_path, {"tests/test_it.py": text})

    ran = pytest_in(root)

    assert ran.counts == {"passed": 9}, ran.output


def test_stubs_answer_behind_a_proxy_too(tmp_path: Path) -> None:
    text = """
    import asyncio
    import httpx, pytest, requests

    async def call(url):
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).json()

    def by_httpx(url): return httpx.get(url).json()
    def by_requests(url): return requests.get(url).json()
    def by_asynchronous_httpx(url): return asyncio.run(call(url))

    @pytest.mark.parametrize("get", [by_httpx, by_requests, by_asynchronous_httpx])
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_it(stub_http, get, scheme):
        stub_http(f"{scheme}://rates.example").on("GET", "/today").returns({"eur": 1.1})
        assert get(f"{scheme}://rates.example/today") == {"eur": 1.1}
"""
    root = suite(tmp_path, {"tests/test_it.py": text})

    ran = pytest_in(root, HTTP_PROXY="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9")

    assert ran.counts == {"passed": 6}, ran.output


def test_what_was_not_foreseen_fails_the_test_and_says_what_to_write(tmp_path: Path) -> None:
    text = """
    import httpx, socket

    def careless(get):
        try:
            get()
        except Exception:
            pass

    def test_another_host(stub_http):
        careless(lambda: httpx.get("https://tracker.example/pixel"))

    def test_another_path(stub_http):
        stub_http("https://pay.example").on("POST", "/charges").returns({})
        assert httpx.post("https://pay.example/refunds").status_code == 501

    def test_an_address(stub_http):
        careless(lambda: socket.create_connection(("192.0.2.7", 80), timeout=1))

    def test_loopback(stub_http):
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
"""
    root = suite(tmp_path, {"tests/test_it.py": text})

    ran = pytest_in(root)

    assert ran.counts == {"passed": 4, "error": 3}, ran.output
    assert "test_it.py::test_another_host reaches for tracker.example (port 443), which is outside." in ran.output
    assert 'stub_http("https://tracker.example").on("GET", "/").returns({})' in ran.output
    assert 'stub_http("pay.example").on("POST", "/refunds").returns({…})' in ran.output
    assert "reaches for 192.0.2.7 (port 80), which is outside." in ran.output


@pytest.mark.parametrize("allowed", [False, True])
def test_the_settings_keep_every_test_in(tmp_path: Path, *, allowed: bool) -> None:
    text = """
    import socket

    def test_it():
        try:
            socket.create_connection(("tracker.invalid", 80), timeout=1)
        except OSError as error:
            print(f"error={type(error).__name__}")
"""
    allow = '\nallow = ["*.invalid"]' if allowed else ""
    root = suite(tmp_path, {"tests/test_it.py": text}, settings=f"[network]\nguard = true{allow}\n")

    ran = pytest_in(root)

    assert ran.counts == ({"passed": 1} if allowed else {"failed": 1}), ran.output
    assert ran.printed("error") == ["gaierror" if allowed else "OutsideHostError"]


def test_a_failure_shows_requests_stubs_and_earlier_cases_without_secrets(tmp_path: Path) -> None:
    text = """
    import httpx

    def test_before(api): api.get("/word")

    def test_fails(api, stub_http, monkeypatch):
        stub_http("https://pay.example").on("GET", "/").returns({"paid": "s3cret-value"})
        httpx.get("https://pay.example/")
        api.as_("clerk").get("/word")
        assert api.post("/broken", json={"pin": "s3cret-value"}).status_code == 200
"""
    root = suite(tmp_path, {"shop.py": ASGI, "conftest.py": IN_PROCESS, "tests/test_it.py": text})

    ran = pytest_in(root, "--junitxml=junit.xml", MY_TOKEN="s3cret-value")

    junit = (root / "junit.xml").read_text()
    for shown in (ran.output.partition("ci-itest: requests")[2], junit):
        assert "GET /word" in shown
        assert "POST /broken" in shown
        assert "it broke" in shown
        assert "(request id ci-itest-" in shown
        assert "GET http://pay.example/" in shown
        assert "tests/test_it.py::test_before" in shown
    assert "Authorization: (hidden)" in ran.output.replace("authorization", "Authorization")
    assert 'name="ci-itest.requests"' in junit
    assert "s3cret-value" not in junit.partition("<properties>")[2].partition("</properties>")[0]


@pytest.mark.docker
def test_a_failure_shows_the_rows_it_wrote_and_the_service_log(tmp_path: Path, postgres_url: str) -> None:
    text = """
    def test_fails(service, seed, clean_database):
        service("postgres")
        seed("orders", state="lost")
        assert False
"""
    conftest = """
    import pytest
    from ci_itest.pytest_plugin.databases.migrations import sql

    @pytest.fixture(scope="session")
    def migrations():
        return sql("schema.sql")
"""
    schema = "CREATE TABLE orders (id serial PRIMARY KEY, state text);"
    root = suite(
        tmp_path,
        {"tests/conftest.py": conftest, "schema.sql": schema, "tests/test_it.py": text},
        settings='[services]\npostgres = "postgres:15"\n',
    )

    ran = pytest_in(root, "--service", f"postgres={postgres_url}")

    assert "orders: 1 row\n  {'id': 1, 'state': 'lost'}" in ran.output
