"""Services outside a run: up on a laptop until they are taken down, with the addresses that tests are to use."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ci_itest.config.templates import endpoint_values, fill, names_in
from ci_itest.containers.block import Block
from ci_itest.containers.compose import ComposeFiles
from ci_itest.containers.engine import Engine
from ci_itest.containers.guard import guarding
from ci_itest.containers.kept import KeptService, kept_services, place_of_root, remove_kept
from ci_itest.containers.presets import service_specs
from ci_itest.containers.services import RunningServices, staying
from ci_itest.containers.starting import ServiceEvent
from ci_itest.errors import UsageError
from ci_itest.flows.commands import log_file, prepare
from ci_itest.flows.folders import WORK_FOLDER
from ci_itest.flows.image_cache import ImageWishes
from ci_itest.flows.stock import stocked
from ci_itest.masking import masker, secrets_of
from ci_itest.model.services import ServiceSpec
from ci_itest.model.settings import PrepareSettings, SuiteSettings
from ci_itest.wire import to_json


@dataclass(frozen=True, slots=True)
class Standing:
    """The services of one suite in one folder.

    Attributes:
        environment: What commands start from.
        mirror: Registry that mirrors Docker Hub; "" for Docker Hub itself.
        images: Where images and snapshots come from. Snapshots of prepared data are used and not made: the services
            that stay would be those that lie on the disk for it.
    """

    suite: str
    settings: SuiteSettings
    root: Path
    environment: Mapping[str, str] = field(repr=False)
    mirror: str
    images: ImageWishes
    engine: Engine

    @property
    def place(self) -> str:
        return place_of_root(self.root, self.suite)

    @property
    def digest(self) -> str:
        """Of all that what runs depends on; the lock and the text of Compose files included."""
        settings = (self.settings.services, self.settings.compose, sorted(self.images.pins.items()))
        files = self.settings.compose.files if self.settings.compose else ()
        texts = [(self.root / name).read_bytes() for name in files if (self.root / name).is_file()]
        return hashlib.sha256(b"\0".join([to_json(settings), *texts])).hexdigest()[:16]

    def services(self) -> tuple[KeptService, ...]:
        return kept_services(self.engine, self.place)

    def is_current(self, services: tuple[KeptService, ...]) -> bool:
        """Whether they all run, as the settings want them now."""
        return bool(services) and all(one.is_well and one.settings == self.digest for one in services)


def bring_up(
    standing: Standing, *, report: Callable[[ServiceEvent], None], say: Callable[[str], None], prepares: bool
) -> tuple[KeptService, ...]:
    """Start the services and leave them running; what ran before by other settings is removed first.

    Args:
        say: Told in a line what a person should know and no error is.
        prepares: Whether to run the `[[prepare]]` steps, too, as far as no snapshot has what they make.

    Raises:
        UsageError: The suite has no services.
        ServiceError: One does not get ready; then none stays.
    """
    settings = standing.settings
    if not (settings.services or settings.compose):
        raise UsageError(
            f"Suite {standing.suite} has no services to bring up.", hint="Write [services] or compose in the settings."
        )
    specs = service_specs(settings.services)
    remove_kept(standing.engine, standing.place)
    mask = masker(secrets_of(standing.environment))
    logs = standing.root / WORK_FOLDER / "services"
    with contextlib.ExitStack() as stack:
        guard = stack.enter_context(guarding(standing.engine.environment))
        composition = settings.compose and ComposeFiles(
            settings.compose,
            root=standing.root,
            environment=standing.environment,
            log=stack.enter_context(log_file(logs / "compose.log", mask=mask)).line,
            held=guard.group,
        )
        supply, preparation = stack.enter_context(
            stocked(
                standing.images,
                specs,
                steps=settings.prepare if prepares else (),
                engine=standing.engine,
                mirror=standing.mirror,
                root=standing.root,
                suite=standing.suite,
                say=say,
            )
        )

        def started_from(specs: Sequence[ServiceSpec]) -> RunningServices:
            return stack.enter_context(
                staying(
                    specs,
                    engine=standing.engine,
                    block=Block.kept(standing.place, settings=standing.digest),
                    ensure=supply.ensure,
                    log_directory=logs,
                    report=report,
                    mask=mask,
                    guard=guard,
                    composition=composition or None,
                )
            )

        preparation.keep_first_starts(preparation.started(specs, started_from))
    services = standing.services()
    _prepare(standing, preparation.to_run(), services, logs)
    return services


def variables(standing: Standing, services: tuple[KeptService, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """`[environment]` filled in, and the names of those variables that speak of an app, which does not run."""
    values = endpoint_values({one.name: one.endpoint for one in services})
    apps = standing.settings.all_apps.keys()
    templates = standing.settings.environment
    left_out = tuple(name for name, template in templates.items() if names_in(template) & apps)
    filled = {
        name: fill(template, values, where=f"[environment] {name}")
        for name, template in templates.items()
        if name not in left_out
    }
    return filled, left_out


def _prepare(
    standing: Standing, steps: Sequence[tuple[int, PrepareSettings]], services: tuple[KeptService, ...], logs: Path
) -> None:
    environment = {**standing.environment, **variables(standing, services)[0]}
    mask = masker(secrets_of(environment))
    for number, step in steps:
        with log_file(logs / f"prepare-{number}.log", mask=mask) as log:
            prepare(step, directory=standing.root, environment=environment, log=log)
