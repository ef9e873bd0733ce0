"""What the command does: up, down, status, images."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.bench import catalogue, engine, images, packages, registry, servers
from tests.bench.progress import say
from tests.bench.settings import DEFAULT_SOCKET, BenchError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.bench.packages import Need
    from tests.bench.settings import Settings

PARTS = ("engine", "registry", "images", "browser", "database", "markdown", "languages")
# Fetched beside the rest, and said but not fatal where they cannot be had: the tests that need them say so themselves.
PROGRAMS = {
    "browser": packages.BROWSER,
    "database": packages.DATABASE,
    "markdown": packages.MARKDOWN,
    "languages": packages.LANGUAGES,
}


def up(settings: Settings, *, parts: Collection[str], build: bool) -> dict[str, str]:
    """Make the parts available; what callers should have in their environment.

    Raises:
        BenchError: No engine is possible (exit code 3), or a part that was asked for failed.
    """
    began = time.monotonic()
    needs = engine.needs(settings) if "engine" in parts else ()
    will_build = "images" in parts and (build or _must_build(settings))
    with_registry = will_build or (bool({"registry", "images"} & set(parts)) and _registry_possible())
    needs += packages.REGISTRY if with_registry else ()
    needs += packages.IMAGES if will_build else ()
    packages.provide(settings, needs)
    with ThreadPoolExecutor() as pool:
        programs = pool.submit(_provide_programs, settings, parts)
        started = pool.submit(engine.provide, settings) if "engine" in parts else None
        mirrored = (
            pool.submit(_provide_images, settings, parts, may_build=will_build, all_=build) if with_registry else None
        )
    programs.result()
    lines = {}
    if started and started.result().host != (settings.docker_host or f"unix://{DEFAULT_SOCKET}"):
        lines["DOCKER_HOST"] = started.result().host
    if mirrored and mirrored.result():
        lines["CI_ITEST_REGISTRY_MIRROR"] = settings.registry
    say("bench", f"up in {time.monotonic() - began:.1f} s")
    return lines


def down(settings: Settings, *, purge: bool) -> None:
    """End exactly the servers that `up` started."""
    stopped = [part for part in (engine, registry) if servers.running(settings, part.NAME)]
    with ThreadPoolExecutor() as pool:
        for ending in [pool.submit(part.stop, settings) for part in stopped]:
            ending.result()
    if not stopped:
        say("bench", "nothing of ours runs")
    if purge:
        for name in ("docker", "registry", "build", "logs"):
            shutil.rmtree(settings.cache / name, ignore_errors=True)
        say("bench", f"emptied {settings.cache}")


def status(settings: Settings) -> dict[str, str]:
    """A line a part."""
    answering = engine.found(settings)
    has_registry = registry.found(settings)
    whose = {True: "started by the bench", False: "not the bench's"}
    lines = {
        "engine": f"Docker {answering.version} at {answering.host}, {whose[answering.is_ours]}"
        if answering
        else "none",
        "registry": settings.registry if has_registry else "none",
        "cache": str(settings.cache),
    }
    if has_registry:
        every = (*catalogue.CATALOGUE, *catalogue.MORE)
        outdated = images.stale(registry.Client(settings.registry), every)
        for image in every:
            lines[f"{image.name}:{image.tag}"] = "not built, or out of date" if image in outdated else "in the registry"
    return lines


def images_built(settings: Settings, *, names: Collection[str], build: bool) -> Sequence[str]:
    """References of the named images, of all without a name; in our registry after this.

    Raises:
        BenchError: There is no image of such a name (exit code 2), or one could not be built.
    """
    every = {image.name: image for image in (*catalogue.CATALOGUE, *catalogue.MORE)}
    if unknown := sorted(set(names) - set(every)):
        raise BenchError(f"No such image: {', '.join(unknown)}.", hint=f"There are {', '.join(every)}.", exit_code=2)
    asked = [every[name] for name in names or every]
    client = registry.provide(settings)
    if wanted := asked if build else images.stale(client, asked):
        images.build(settings, client, wanted, afresh=build)
    return [f"{settings.registry}/{image.repository}:{image.tag}" for image in asked]


def _must_build(settings: Settings) -> bool:
    """Whether images are missing and Docker Hub cannot be reached; a registry that does not run yet may have them."""
    if registry.found(settings) and not images.stale(registry.Client(settings.registry), catalogue.CATALOGUE):
        return False
    return not images.hub_answers()


def _registry_possible() -> bool:
    """Where Docker Hub answers, a registry of our own is good to have and no more."""
    try:
        packages.check_may_install(packages.missing(packages.REGISTRY))
    except BenchError as error:
        say("registry", f"left out: {error} {error.hint}")
        return False
    return True


def _provide_images(settings: Settings, parts: Collection[str], *, may_build: bool, all_: bool) -> bool:
    """Start the registry, and build what is missing; whether it holds all images now."""
    client = registry.provide(settings)
    wanted = list(catalogue.CATALOGUE) if all_ else images.stale(client, catalogue.CATALOGUE)
    if not wanted:
        say("images", f"{' and '.join(image.name for image in catalogue.CATALOGUE)} are in the registry")
        return True
    if "images" in parts and not may_build:
        say("images", "Docker Hub answers, nothing to build")
    if not may_build:
        return False
    images.build(settings, client, wanted, afresh=all_)
    return True


def _provide_programs(settings: Settings, parts: Collection[str]) -> None:
    needs: tuple[Need, ...] = sum((PROGRAMS[part] for part in PROGRAMS if part in parts), ())
    try:
        packages.provide(settings, needs)
    except BenchError as error:
        say("packages", f"{error} {error.hint}")
