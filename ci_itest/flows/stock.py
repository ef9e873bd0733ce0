"""What services are started from, wherever they start: images out of cache and registry, data out of snapshots.

A shard, `ci-itest services up` and the services of a plain pytest session all get it here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.flows.image_cache import ImageWishes, snapshot_supply, supply_for, tidy
from ci_itest.flows.snapshots import Preparation
from ci_itest.model.services import ServiceSpec
from ci_itest.model.settings import PrepareSettings

if TYPE_CHECKING:
    from ci_itest.containers.engine import Engine
    from ci_itest.containers.supply import Supply


@contextlib.contextmanager
def stocked(
    wishes: ImageWishes,
    specs: Sequence[ServiceSpec],
    *,
    steps: Sequence[PrepareSettings],
    engine: Engine,
    mirror: str,
    root: Path,
    suite: str,
    say: Callable[[str], None],
) -> Iterator[tuple[Supply, Preparation]]:
    """The images, and which services have their data already; the folders of both are tidied after the block.

    Args:
        mirror: Registry that mirrors Docker Hub; "" for Docker Hub itself.
        root: Folder that the inputs of the steps start at.
        say: Told in a line what a person should know and no error is.

    Raises:
        SettingsError: A step asks for a snapshot that cannot be.
    """
    from ci_itest.containers.supply import supplying

    with contextlib.ExitStack() as stack:
        supply = stack.enter_context(supplying(supply_for(wishes, engine=engine, mirror=mirror, say=say)))
        stack.callback(tidy, wishes, supply)
        own = snapshot_supply(wishes, supply, engine=engine, mirror=mirror)
        if own is not None and own is not supply:
            stack.enter_context(supplying(own))
            stack.callback(tidy, wishes, own)
        preparation = Preparation(steps, supply=own, engine=engine, say=say)
        preparation.look(
            specs,
            root=root,
            project=f"{root.name}/{suite}",
            makes=wishes.keeps_snapshots,
            first_starts=wishes.first_starts,
        )
        yield supply, preparation
