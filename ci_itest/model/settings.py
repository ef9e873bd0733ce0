"""Every setting there is, with its default and its one-line help: the single declaration of `ci-itest.toml`.

The reader, the JSON Schema, `ci-itest config`, the README's tables and the action's inputs are all made from
these dataclasses. A key that is not a field here does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MAIN_SUITE = "main"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Seconds(float):
    """A duration; written in settings as `"90s"`, `"5m"`, `"1h30m"`, `"250ms"`, `"14d"` or a number of seconds."""

    @classmethod
    def parse(cls, value: object) -> Seconds:
        """Seconds out of what a settings file says; ValueError when it is no duration."""
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f'a duration is a string such as "90s" or a number of seconds, not {value!r}')
        seconds = cls._from_text(value.strip()) if isinstance(value, str) else float(value)
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"a duration is 0 or more, not {value!r}")
        return cls(seconds)

    @staticmethod
    def _from_text(text: str) -> float:
        parts = _DURATION.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
        try:
            return float(text)
        except ValueError:
            raise ValueError(f'{text!r} is no duration; write for example "90s", "5m" or "1h30m"') from None


class Size(int):
    """A size in bytes; written in settings as `"512m"`, `"2g"`, `"1.5GiB"` or a number of bytes."""

    @classmethod
    def parse(cls, value: object) -> Size:
        """Bytes out of what a settings file says; ValueError when it is no size."""
        if isinstance(value, str) and (parts := _SIZE.fullmatch(value.strip())):
            return cls(float(parts[1]) * 1024 ** "bkmgt".index(parts[2].lower() or "b"))
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        raise ValueError(f'a size is a string such as "512m" or "2g", or a number of bytes, not {value!r}')


def _setting(default: Any, help_text: str) -> Any:
    if isinstance(default, (dict, list)):
        return field(default_factory=type(default), metadata={"help": help_text})
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class ReadySettings:
    """`ready = { … }` of a service: exactly one of these."""

    http: str = _setting("", "Path that answers with a status below 400.")
    port: bool = _setting(False, "The port accepts a connection (weak: many servers accept before they serve).")
    command: str = _setting("", "Shell command inside the container that ends with 0.")
    log: str = _setting("", "Regular expression that appears in the container's log.")
    healthcheck: bool = _setting(False, "The image's own HEALTHCHECK says healthy.")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """`[services.NAME]`, or `NAME = "image"` for short."""

    image: str = _setting("", "Image to run; the name of a known image brings its preset.")
    port: int = _setting(0, "Port inside the container; 0: the preset's.")
    environment: Mapping[str, str] = _setting({}, "Variables of the container, over the preset's.")
    command: tuple[str, ...] = _setting((), "Arguments after the entrypoint; empty: the preset's, else the image's.")
    tmpfs: tuple[str, ...] = _setting((), "Paths inside the container kept in memory, over the preset's.")
    url: str = _setting("", "Template of `{NAME.url}`; empty: the preset's.")
    ready: ReadySettings | None = _setting(None, "When the service counts as ready; unset: the preset's protocol.")
    ready_timeout: Seconds = _setting(Seconds(60), "How long it may take from start to ready.")
    needs: tuple[str, ...] = _setting((), "Services that must be ready before this one starts.")
    only_for: tuple[str, ...] = _setting((), "Patterns of the files that need it; empty: all. Other shards skip it.")
    cpus: float = _setting(0.0, "Processor cores it may use at most, 0.5 for half of one; 0: no limit.")
    memory: Size = _setting(Size(0), 'Memory it may use at most, "512m"; 0: no limit.')


@dataclass(frozen=True, slots=True)
class ComposeSettings:
    """`[compose]`, or `compose = "docker-compose.test.yml"` for short: services that a Compose file describes."""

    files: tuple[str, ...] = _setting((), "Compose files; later ones are laid over earlier ones.")
    profiles: tuple[str, ...] = _setting((), "Profiles that are switched on.")
    env_files: tuple[str, ...] = _setting((), "Files of variables for the Compose files; empty: `.env` beside them.")
    one_shot: tuple[str, ...] = _setting(
        (), "Services that are to end by themselves, with 0; those that others wait for to complete need no mention."
    )
    ready_timeout: Seconds = _setting(Seconds(120), "How long all of them may take until they are ready.")


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """`[build]`: a command before anything is started; when it fails, the suite stops there."""

    run: str = _setting("", "Shell command, run in the root before the services start; empty: nothing to build.")
    timeout: Seconds = _setting(Seconds(900), "How long it may take.")


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """`[[prepare]]`: a command between the services and the app, migrations mostly."""

    run: str = _setting("", "Shell command, run in the repository's root with `[environment]` set.")
    inputs: tuple[str, ...] = _setting((), "Patterns of the files that the command's outcome depends on.")
    snapshot: str = _setting(
        "", "Service whose data this command prepares: kept as an image until command, inputs or service change."
    )
    timeout: Seconds = _setting(Seconds(300), "How long it may take.")


@dataclass(frozen=True, slots=True)
class AppSettings:
    """`[app]`, or `[app.NAME]` for each of several: the team's own server, started before the tests."""

    run: str = _setting("", "Shell command that serves on `{port}` of this machine.")
    image: str = _setting("", "Instead of `run`: image to start as a container.")
    build: str = _setting("", "Instead of `run`: folder to build an image from, also of another checkout.")
    dockerfile: str = _setting("", "Path in the build folder; empty: Dockerfile.")
    arguments: Mapping[str, str] = _setting({}, "Build arguments.")
    command: tuple[str, ...] = _setting((), "Arguments after the image's entrypoint; empty: the image's own.")
    port: int = _setting(0, "Port that the image serves on; 0: the one that it exposes.")
    directory: str = _setting("", "Folder that `run` starts in; empty: the root.")
    environment: Mapping[str, str] = _setting({}, "Variables of this app alone, over `[environment]`.")
    needs: tuple[str, ...] = _setting((), "Apps that must answer before this one starts.")
    cpus: float = _setting(0.0, "Processor cores that its container may use at most; 0: no limit.")
    memory: Size = _setting(Size(0), "Memory that its container may use at most; 0: no limit.")
    warmup: str = _setting("/", "Path that must answer below 500 before the tests start.")
    warmup_timeout: Seconds = _setting(Seconds(30), "How long it may take until the path answers.")


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """`[command]`: a test runner that ci-itest has no adapter for; it takes files and leaves JUnit."""

    run: str = _setting(
        "", "Shell command that runs `{files}` (each as `item` says) and writes JUnit into the folder `{junit}`."
    )
    list: str = _setting(
        "", "Shell command that prints the suite's files, one a line; empty: `tests` and `test_files`."
    )
    files: Literal["arguments", "stdin", "variable"] = _setting(
        "arguments", "How they reach the command: as `{files}`, a file a line on stdin, or in a variable."
    )
    item: str = _setting(
        "{file}",
        "What stands for a file: {file}, {name} (without folders), {stem} (without ending), {class} (of Java).",
    )
    each: bool = _setting(False, "One call for each file, for reports that do not say of which file a case is.")
    join: str = _setting(" ", "What stands between two files, in the command and in the variable.")
    variable: str = _setting("TEST_FILES", 'Name of the variable, for files = "variable".')
    case: str = _setting(
        "",
        "What `{cases}` in `run`, or its end, gets for each {case} that runs again; empty: the whole files run again.",
    )
    junit: tuple[str, ...] = _setting((), "Patterns of the JUnit files it leaves in the repository, beside `{junit}`.")


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """`[database]`: what the pytest fixtures `database`, `db_session`, `clean_database` and `seed` work on."""

    service: str = _setting("", "Service that holds it; empty: the only service that is a database.")
    url: str = _setting("", "A SQLite file instead of a service (sqlite:///shop.db, from the root).")
    seeds: tuple[str, ...] = _setting((), "Patterns of .sql and .csv files put in after prepare, in order of names.")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """`[tokens]`: what the tokens of the fixture `token_for` look like, as the app expects them."""

    algorithm: Literal["HS256", "HS384", "HS512", "RS256", "ES256"] = _setting("HS256", "How they are signed.")
    secret: str = _setting(
        "ci-itest-signs-with-this-in-tests-only", "Signs HS tokens; give the app the same by `[environment]`."
    )
    issuer: str = _setting("", "Claim `iss`; empty: none.")
    audience: str = _setting("", "Claim `aud`; empty: none.")
    role_claim: str = _setting("role", "Claim that holds the role; a list of one where the name ends with s.")
    claims: Mapping[str, str] = _setting(
        {}, "Further claims of every token (a `sub` that is a number); tests may differ."
    )


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`[network]`: what tests reach beside services and this machine."""

    guard: bool = _setting(False, "Whether every test is kept in; else only those that use `stub_http`.")
    allow: tuple[str, ...] = _setting((), "Hosts that may be reached all the same; *.example.com is a pattern.")


@dataclass(frozen=True, slots=True)
class DeclaredSettings:
    """`[declared]`: what the app uses that no schema tells; integration coverage names what of it no test used."""

    queues: tuple[str, ...] = _setting(
        (), "Queues, streams, channels and subjects, as `messages` names them; `orders.*` for one of each worker."
    )
    hosts: tuple[str, ...] = _setting((), "Hosts outside that the app calls, as stub_http stands in for them.")


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What a suite is and how it runs; at the top of the file for the suite `main`."""

    runner: Literal["pytest", "vitest", "jest", "playwright", "go", "phpunit", "dotnet", "command"] = _setting(
        "pytest", "Test runner."
    )
    tests: tuple[str, ...] = _setting(("tests",), "Folders and files that hold the suite.")
    test_files: tuple[str, ...] = _setting(
        (), "Patterns of the test files in these folders (**/*.itest.ts) where they are not the runner's usual ones."
    )
    command: CommandSettings | None = _setting(None, 'The command of runner = "command".')
    markers: str = _setting(
        "",
        "Which of them are integration tests: pytest -m, Vitest and Jest -t, Playwright -g, Go -tags, PHPUnit --group.",
    )
    shards: int | Literal["auto"] = _setting("auto", "Parallel jobs: a number, or auto to meet `target`.")
    max_shards: int = _setting(16, "Most jobs that auto may choose.")
    target: Seconds = _setting(Seconds(300), "Wall time of a job to aim at when shards is auto, its start included.")
    workers: int | Literal["auto"] = _setting("auto", "Processes inside a shard (pytest-xdist); auto: one per core.")
    retries: int = _setting(1, "Attempts after a failure; a case that passes then has recovered, and is shown.")
    keep_together: Literal["file", "class", "group", "case"] = _setting(
        "file", "What is never divided between shards; group: cases of one xdist_group, other cases are free."
    )
    case_timeout: Seconds = _setting(Seconds(120), "A case that runs longer is stopped and fails; 0: no limit.")
    shard_timeout: Seconds = _setting(Seconds(1800), "Tests of a shard that run longer are stopped; 0: no limit.")
    python: str = _setting("", "Python of the tests; empty: the active or the .venv environment, else python3.")
    arguments: tuple[str, ...] = _setting((), "More arguments for the test runner.")
    build: BuildSettings | None = _setting(None, "What must be built before the tests.")
    services: Mapping[str, ServiceSettings] = _setting({}, "Containers the tests talk to.")
    compose: ComposeSettings | None = _setting(None, "Compose files with more of them.")
    environment: Mapping[str, str] = _setting(
        {},
        "Variables of prepare, app and tests. Of each service and app {postgres.url}, .host, .port, .address, its "
        "credentials (.user, .password) and further ports ({mail.smtp_port}) are filled in.",
    )
    prepare: tuple[PrepareSettings, ...] = _setting((), "Commands between services and app, in order.")
    app: AppSettings | None = _setting(None, "The team's own server.")
    apps: Mapping[str, AppSettings] = _setting({}, "Each of several servers, as [app.NAME].")
    tokens: TokenSettings = _setting(TokenSettings(), "What the tokens of the pytest fixture token_for look like.")
    network: NetworkSettings = _setting(NetworkSettings(), "What tests reach beside services and this machine.")
    database: DatabaseSettings = _setting(DatabaseSettings(), "What the pytest fixtures for databases work on.")
    declared: DeclaredSettings = _setting(
        DeclaredSettings(), "What the app uses, for integration coverage, beside its routes, tables and caches."
    )
    boot: Seconds = _setting(
        Seconds(30), "What a job takes beside ci-itest (checkout, installation); counts for `target` and the bill."
    )
    fill_minutes: bool = _setting(
        False, "When shards is auto, fill whole billed minutes instead of evening out: fewer minutes, same wall clock."
    )
    rerun: Literal["failed", "all"] = _setting(
        "failed", "What a later attempt of a shard runs: what failed or never ran, or all."
    )

    @property
    def all_apps(self) -> dict[str, AppSettings]:
        """The team's servers by the names that templates give them: the only one is `app`."""
        return {**({"app": self.app} if self.app else {}), **self.apps}


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """`[images]`: where service images come from."""

    mirror: str = _setting("", "Registry that mirrors Docker Hub (host:port or host/path); empty: Docker Hub itself.")
    cache: Literal["auto", "on", "off"] = _setting(
        "auto", "Whether images are kept as files, for the action to save and restore; auto: in GitHub Actions."
    )
    budget: Size = _setting(Size(2 * 1024**3), "What the kept files may take up; the longest unused go first.")


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """`[cache]`: what the set-up of a shard's job downloads (browsers, packages), kept between runs."""

    paths: tuple[str, ...] = _setting((), "Folders that are kept, on the machine of a shard: ~/.cache/ms-playwright.")
    key: tuple[str, ...] = _setting((), "Patterns of the files that decide what belongs in there: package-lock.json.")


@dataclass(frozen=True, slots=True)
class BypassSettings:
    """`[bypass]`: when a pull request may skip the suite."""

    label: str = _setting("", "Label that asks for it; empty: never.")
    paths: tuple[str, ...] = _setting(("docs/**", "**/*.md"), "Every changed file must match one of these.")
    never: tuple[str, ...] = _setting((), "No changed file may match one of these (ours are always among them).")
    sticky: bool = _setting(False, "Whether the label outlives a push; else it must be set again.")
    actors: tuple[str, ...] = _setting((), "Bots that need no label for changes to dependency_paths alone.")
    dependency_paths: tuple[str, ...] = _setting(
        ("**/uv.lock", "**/package-lock.json", "**/requirements*.txt"), "What actors may change without the suite."
    )


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """`[report]`: what people are shown."""

    title: str = _setting("Integration tests", "Heading of the page, the comment and the summary.")
    comment: Literal["problems", "always", "off"] = _setting(
        "problems", "Pull-request comment: when something is wrong (and while one exists), always, or never."
    )
    check: bool = _setting(False, "Also a check run with the failures at their lines (needs checks: write).")
    templates: str = _setting("", "Folder of your own report.html.j2, comment.md.j2 and summary.md.j2; empty: ours.")
    playwright: Literal["auto", "on", "off"] = _setting(
        "auto",
        "Playwright's own HTML report of all shards beside the page; auto: by `ci-itest run`, with the installed "
        "Playwright; on: in the report job too, which fetches Playwright with npx.",
    )
    fail_on: Literal["failures", "new-failures"] = _setting(
        "failures", "new-failures: what fails in the base branch's newest complete run too lets the run pass."
    )
    integration_coverage: float = _setting(
        0.0, "Percent of all that the app declares that the tests of all shards must reach; 0: none."
    )


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """`[history]`: where durations and results of earlier runs are kept."""

    store: str = _setting(
        "cache",
        "`cache` (a file the action keeps in its cache), the path of a SQLite file, or a reporting service's https://…",
    )
    default_branch: str = _setting("", "Branch whose runs are learned from; empty: the repository's default branch.")


@dataclass(frozen=True, slots=True)
class FlakySettings:
    """`[flaky]`: what is done about cases that fail by themselves."""

    quarantine: Literal["off", "suggest", "auto"] = _setting(
        "suggest", "off: every failure counts; suggest: the report names candidates; auto: flaky cases are muted."
    )
    expires: Seconds = _setting(Seconds(14 * 86400), "How long a case stays in quarantine; renewed at most twice.")


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole file: suites and what they share."""

    suites: Mapping[str, SuiteSettings] = field(default_factory=dict)
    images: ImageSettings = _setting(ImageSettings(), "Where images come from.")
    cache: CacheSettings = _setting(CacheSettings(), "What downloads are kept.")
    bypass: BypassSettings = _setting(BypassSettings(), "When a pull request may skip the suite.")
    report: ReportSettings = _setting(ReportSettings(), "What people are shown.")
    history: HistorySettings = _setting(HistorySettings(), "What earlier runs measured.")
    flaky: FlakySettings = _setting(FlakySettings(), "What is done about flaky cases.")
