"""Which services of a shard start from a snapshot, which get one made, and which prepare steps that leaves to run.

A snapshot has what `[[prepare]]` steps have made of a service, or, of a database that no step prepares, what its first
start made: an empty one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.errors import EngineError, FileError, ServiceError, SettingsError
from ci_itest.flows.file_digests import digests_of
from ci_itest.model.services import ServiceSpec
from ci_itest.model.settings import PrepareSettings
from ci_itest.waiting import within
from ci_itest.wire import to_json

if TYPE_CHECKING:
    from ci_itest.containers.engine import Engine
    from ci_itest.containers.services import RunningServices
    from ci_itest.containers.snapshots import Snapshot
    from ci_itest.containers.supply import Supply

_FIRST_START_SECONDS = 180.0  # a second server may take that long, at the end of a run
_FORMAT = 2  # raise it when other snapshots are made of the same things


class Preparation:
    """The `[[prepare]]` steps of one shard, and the snapshots that take the place of some.

    Args:
        supply: Has the snapshots; None where there can be none.
        engine: None where there are no services.
        say: Told in a line what a person should know and no error is.
    """

    def __init__(
        self,
        steps: Sequence[PrepareSettings],
        *,
        supply: Supply | None = None,
        engine: Engine | None = None,
        say: Callable[[str], None] = lambda _words: None,
    ) -> None:
        self._steps = tuple(steps)
        self._supply = supply
        self._engine = engine
        self._say = say
        self._restored: dict[str, ServiceSpec] = {}
        self._wanted: dict[str, Snapshot] = {}
        self._first_starts: dict[str, ServiceSpec] = {}
        self._root = Path()
        self._project = ""

    def look(
        self, specs: Sequence[ServiceSpec], *, root: Path, project: str, makes: bool, first_starts: bool = False
    ) -> None:
        """Look for the snapshots that the steps ask for, on the engine and in the cache.

        Args:
            project: Tells apart snapshots of equal services of several projects.
            makes: Whether those that are not there are to be made.
            first_starts: Whether databases that no step prepares have snapshots, too, of their first start.

        Raises:
            SettingsError: An input means no file, or it is not known where the service has its data.
        """
        if self._supply is None or self._engine is None:
            return
        self._root, self._project = root, project
        for spec in specs:
            if any(step.snapshot == spec.name for step in self._steps):
                self._look_for_prepared(spec, makes=makes)
            elif first_starts and _has_first_start(spec):
                self._first_starts[spec.name] = spec
                # One that the engine does not hold yet is not asked for before it is wanted.
                if self._engine.image(spec.image):
                    self._look_for_first_start(spec)

    def started(
        self, specs: Sequence[ServiceSpec], start: Callable[[Sequence[ServiceSpec]], RunningServices]
    ) -> RunningServices:
        """The services, from their snapshots; without any where they do not start from these.

        Raises:
            ServiceError: They do not start without either.
        """
        try:
            return start([self._applied(spec) for spec in specs])
        except ServiceError as error:
            if not self._is_to_blame(error):
                raise
            first_line = error.message.partition("\n")[0]
            self._say(f"The services do not start from their snapshots, and are prepared anew: {first_line}")
            self._restored.clear()
            return start(specs)

    def to_run(self) -> list[tuple[int, PrepareSettings]]:
        """The steps whose outcome no snapshot has, with their numbers from 1."""
        return [(number, step) for number, step in enumerate(self._steps, 1) if step.snapshot not in self._restored]

    def keep(self, services: RunningServices) -> None:
        """Make the snapshots that are wanted; one that cannot be made is told, and the run goes on without it.

        Raises:
            ServiceError: A service does not serve again.
        """
        from ci_itest.containers.snapshots import take

        for name, snapshot in self._wanted.items():
            assert self._supply is not None
            assert self._engine is not None
            try:
                size = take(snapshot, services, self._supply, self._engine)
                self._say(f"snapshot of {name}: {size / 1e6:.0f} MB are kept for later runs")
            except (EngineError, FileError) as error:
                self._say(f"no snapshot of {name}: {error.message.removesuffix('.')}")

    def keep_first_starts(self, services: RunningServices) -> None:
        """Make the snapshots of databases that had to start for the first time; one that cannot be made is none."""
        from ci_itest.containers.snapshots import take_first_start

        for name, spec in self._first_starts.items():
            if name in self._restored:
                continue
            assert self._supply is not None
            assert self._engine is not None
            try:
                snapshot = self._snapshot(spec)
                if self._restore(snapshot):
                    continue  # another shard on this machine was first
                # In a thread, as all that makes containers is: an interrupt never leaves one half made.
                take = partial(take_first_start, snapshot, services, self._supply, self._engine)
                size = within(_FIRST_START_SECONDS, take)
            except (ServiceError, FileError, TimeoutError):
                continue  # of an image that no registry has, say: it starts as it did, and nothing is missing
            self._say(f"{name}: the empty database is kept, so that later runs need not make it ({size / 1e6:.0f} MB)")

    def _look_for_prepared(self, spec: ServiceSpec, *, makes: bool) -> None:
        try:
            one = self._snapshot(spec)
        except (EngineError, FileError) as error:
            self._say(f"no snapshot of {spec.name}: {error.message.removesuffix('.')}")
            return
        try:
            is_there = self._restore(one)
        except (EngineError, FileError) as error:
            self._say(f"the snapshot of {spec.name} cannot be used: {error.message.removesuffix('.')}")
            is_there = False
        if makes and not is_there:
            self._wanted[spec.name] = one

    def _look_for_first_start(self, spec: ServiceSpec) -> None:
        with suppress(EngineError, FileError):  # then it starts for the first time, as ever
            self._restore(self._snapshot(spec))

    def _snapshot(self, spec: ServiceSpec) -> Snapshot:
        assert self._supply is not None
        assert self._engine is not None
        steps = [step for step in self._steps if step.snapshot == spec.name]
        return _snapshot(spec, steps, root=self._root, project=self._project, supply=self._supply, engine=self._engine)

    def _restore(self, snapshot: Snapshot) -> bool:
        """Whether there is such a snapshot, which the service starts from then."""
        from ci_itest.containers.snapshots import found

        assert self._supply is not None
        assert self._engine is not None
        prepared = found(snapshot, self._supply, self._engine)
        if prepared:
            self._restored[snapshot.spec.name] = prepared
        return prepared is not None

    def _is_to_blame(self, error: ServiceError) -> bool:
        """Whether a snapshot may be why services do not start: prepared data for any, an empty database for its own."""
        return any(
            name not in self._first_starts or error.message.startswith(f"{spec.title} (")
            for name, spec in self._restored.items()
        )

    def _applied(self, spec: ServiceSpec) -> ServiceSpec:
        if spec.name in self._restored:
            return self._restored[spec.name]
        return self._wanted[spec.name].recording() if spec.name in self._wanted else spec


def _has_first_start(spec: ServiceSpec) -> bool:
    from ci_itest.containers.known_images import known_image

    preset = known_image(spec.image)
    return bool(preset and preset.has_first_start and spec.tmpfs)


def check_steps(steps: Sequence[PrepareSettings], *, services: Iterable[str]) -> None:
    """SettingsError where a step cannot have the snapshot that it asks for."""
    names = list(services)
    for step in filter(lambda step: step.snapshot, steps):
        if step.snapshot not in names:
            raise SettingsError(
                f"`snapshot` of [[prepare]] `{step.run}` names {step.snapshot}, which is no service.",
                hint=f"Services: {', '.join(names) or 'none'}.",
            )
        if not step.inputs:
            raise SettingsError(
                f"[[prepare]] `{step.run}` has a snapshot and no inputs, so nothing would ever renew it.",
                hint='Name the files that it reads, for example `inputs = ["migrations/**"]`.',
            )


def key_of(
    spec: ServiceSpec, steps: Sequence[PrepareSettings], *, base: str, folders: Sequence[str], root: Path
) -> str:
    """Of all that prepared data depends on: image, settings, commands, and the content of the inputs.

    Raises:
        SettingsError: A pattern of the inputs means no file.
    """
    parts = [
        _FORMAT,
        base,
        list(folders),
        sorted(spec.environment.items()),
        spec.command,
        [[step.run, [inputs_of(step, pattern, root) for pattern in step.inputs]] for step in steps],
    ]
    return hashlib.sha256(to_json(parts)).hexdigest()[:20]


def inputs_of(step: PrepareSettings, pattern: str, root: Path) -> list[tuple[str, str]]:
    """Path and digest of each file that a pattern means, in order."""
    return digests_of(pattern, root, place=f"an input of [[prepare]] `{step.run}`")


def _snapshot(
    spec: ServiceSpec, steps: Sequence[PrepareSettings], *, root: Path, project: str, supply: Supply, engine: Engine
) -> Snapshot:
    from ci_itest.containers.snapshots import Snapshot, data_folders

    base = supply.digest(spec.image)
    if not base:
        raise EngineError(f"no registry has its image {spec.image}, which a snapshot is laid on")
    image = engine.image(spec.image)
    folders = data_folders(spec, image.volumes if image else ())
    if not folders:
        raise SettingsError(
            f"Service {spec.name}: where it keeps its data is not known, so there can be no snapshot.",
            hint=f'Name the folder in `[services.{spec.name}]`, as `tmpfs = ["/data"]`.',
        )
    key = key_of(spec, steps, base=base, folders=folders, root=root)
    return Snapshot(spec, base, folders, key, f"{project}/{spec.name}")
