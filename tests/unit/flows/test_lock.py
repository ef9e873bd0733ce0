"""The lock: what is there stays, what is new is asked for, what is gone goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_itest.errors import DocumentError, EngineError, RegistryError, UsageError
from ci_itest.flows.lock import LOCK_FILE, image_names, read_lock, renewed
from ci_itest.model.lock import Lock, LockedImage, LockedPlatform
from ci_itest.model.settings import AppSettings, ComposeSettings, ServiceSettings, Settings, SuiteSettings
from ci_itest.wire import write_document

ONE, TWO, NEW = (f"sha256:{digit * 64}" for digit in "12a")
BEFORE = Lock((LockedImage("postgres:16", ONE), LockedImage("redis:7", TWO)))


class Registry:
    """Answers with one digest for every name, and notes what it was asked."""

    def __init__(self, manifest: object = None) -> None:
        self.asked: list[str] = []
        self._manifest = json.dumps(manifest or {}).encode()

    def __call__(self, name: str) -> tuple[str, bytes]:
        self.asked.append(name)
        return NEW, self._manifest


def test_entries_that_are_there_stay_and_nobody_is_asked() -> None:
    registry = Registry()

    renewal = renewed(BEFORE, ["redis:7", "postgres:16"], ask=registry, update=())

    assert renewal.is_same
    assert renewal.lock == BEFORE
    assert registry.asked == []


def test_a_new_image_is_added_and_one_that_is_gone_is_removed() -> None:
    registry = Registry()

    renewal = renewed(BEFORE, ["postgres:16", "nats:2"], ask=registry, update=())

    assert registry.asked == ["nats:2"]
    assert (renewal.added, renewal.changed, renewal.removed) == (("nats:2",), (), ("redis:7",))
    assert renewal.lock.pins == {"nats:2": NEW, "postgres:16": ONE}


@pytest.mark.parametrize(("update", "asked"), [(None, ["postgres:16", "redis:7"]), (("redis:7",), ["redis:7"])])
def test_what_is_to_be_updated_is_asked_for_anew(update: tuple[str, ...] | None, asked: list[str]) -> None:
    registry = Registry()

    renewal = renewed(BEFORE, ["postgres:16", "redis:7"], ask=registry, update=update)

    assert registry.asked == asked
    assert list(renewal.changed) == asked


def test_the_platforms_of_an_index_are_kept_and_attestations_left_out() -> None:
    def entry(system: str, architecture: str, digest: str, **more: str) -> object:
        return {"digest": digest, "platform": {"os": system, "architecture": architecture, **more}}

    index = {
        "manifests": [
            entry("linux", "amd64", ONE),
            entry("linux", "arm", TWO, variant="v7"),
            entry("unknown", "unknown", NEW),
            {"digest": NEW},
        ]
    }

    (image,) = renewed(Lock(), ["redis:7"], ask=Registry(index), update=()).lock.images

    assert image == LockedImage(
        "redis:7", NEW, (LockedPlatform("linux/amd64", ONE), LockedPlatform("linux/arm/v7", TWO))
    )


def test_an_image_that_is_not_to_be_had_is_named() -> None:
    def refuse(name: str) -> tuple[str, bytes]:
        raise RegistryError("docker.io limits pulls (429).", hint="Log in.")

    with pytest.raises(EngineError, match=r"Cannot pin redis:7: docker.io limits pulls \(429\)\.\nLog in\.") as refused:
        renewed(Lock(), ["redis:7"], ask=refuse, update=())

    assert refused.value.exit_code == 3


def test_a_name_to_update_that_no_service_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"No service has the image redis:8\.\nThe settings have: redis:7\."):
        renewed(Lock(), ["redis:7"], ask=Registry(), update=["redis:8"])


def test_images_of_services_and_apps_are_pinned_and_those_with_a_digest_pin_themselves() -> None:
    services = {
        "db": ServiceSettings(image="postgres:16"),
        "cache": ServiceSettings(image="redis:7"),
        "own": ServiceSettings(image=f"ghcr.io/acme/own@{ONE}"),
    }
    suites = {
        "main": SuiteSettings(services=services),
        "more": SuiteSettings(
            services={"cache": ServiceSettings(image="redis:7")},
            apps={"web": AppSettings(image="acme/web:3")},
            app=AppSettings(image="acme/api:2"),
            compose=ComposeSettings(files=("queue.yml",)),
        ),
    }

    names = image_names(Settings(suites=suites), composed=lambda settings: [f"{settings.files[0]}:1", "redis:7"])

    assert names == ("acme/api:2", "acme/web:3", "postgres:16", "queue.yml:1", "redis:7")


def test_a_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_document(tmp_path / LOCK_FILE, BEFORE)

    assert read_lock(tmp_path) == BEFORE
    assert read_lock(tmp_path / "elsewhere") == Lock()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a complete lock document"),
        ('{"schema": 1, "kind": "plan"}', "is not a lock document"),
        ('{"schema": 99, "kind": "lock", "images": []}', "a lock document of schema 99"),
        (
            '{"schema": 1, "kind": "lock", "images": [{"name": "redis:7", "digest": "latest"}]}',
            "pins redis:7 to 'latest', which is no digest",
        ),
    ],
)
def test_a_broken_lock_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)

    with pytest.raises(DocumentError, match=words):
        read_lock(tmp_path)
