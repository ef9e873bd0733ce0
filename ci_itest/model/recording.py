"""What a shard's bundle says of the machine it ran on: `Surroundings`."""

from __future__ import annotations

from dataclasses import dataclass, field

from ci_itest.model.settings import SuiteSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a replay must match beside the code, the services and the order of the cases (`environment.json`).

    Attributes:
        settings: The suite's settings as they were in force, inputs of the action included.
        variables: Names of the variables that the tests started from; never their values.
        time_zone: TZ, "" where it was not set.
        locale: LC_ALL, else LANG.
        hash_seed: PYTHONHASHSEED of prepare, app and tests.
        versions: Name and version of the tests' own tools ("python", "pytest" …).
        platform: As Python names it ("linux", "darwin").
        machine: As the system names its processor ("x86_64", "arm64").
        cores: Processor cores the shard could count on.
        memory_bytes: Of the machine, 0 when unknown.
        tool_version: Version of ci-itest.
        root: Folder of the settings inside the repository, "" for its top.
        seed: What plugins that shuffle or draw start from (pytest-randomly); "" when none was given.
        umask: Of new files, in octal; "" when unknown.
        open_files: How many files a process may have open, 0 when unknown.
    """

    settings: SuiteSettings = field(default_factory=SuiteSettings)
    variables: tuple[str, ...] = ()
    time_zone: str = ""
    locale: str = ""
    hash_seed: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    platform: str = ""
    machine: str = ""
    cores: int = 1
    memory_bytes: int = 0
    tool_version: str = ""
    root: str = ""
    seed: str = ""
    umask: str = ""
    open_files: int = 0
