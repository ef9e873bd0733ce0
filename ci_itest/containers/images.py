"""Get a service's image onto the engine: what is there is used, the rest pulled, from a mirror where one is set."""

from __future__ import annotations

from collections.abc import Callable

from ci_itest.containers.engine import Engine
from ci_itest.containers.image_names import ImageName, mirrored
from ci_itest.errors import EngineError


def ensure_image(name: str, *, engine: Engine, mirror: str, note: Callable[[str], None]) -> str:
    """The name to start the image by, which the engine holds now.

    An image pulled from the mirror gets its plain name back, so that a laptop and CI call it the same. One pinned by
    digest keeps the mirror's name, since a digest cannot be given as a tag; the content is the same.

    Args:
        note: Told in words that a pull is under way and how far, and that the mirror does not have the image.

    Raises:
        EngineError: Neither the mirror nor the image's own registry gives it.
    """
    if engine.image(name):
        return name
    on_mirror = mirrored(name, mirror=mirror)
    if on_mirror and _from_mirror(on_mirror, of=name, engine=engine, note=note):
        if ImageName.parse(name).digest:
            return on_mirror
        engine.tag(on_mirror, target=name)
        return name
    note("")
    engine.pull(name, progress=note)
    return name


def _from_mirror(on_mirror: str, *, of: str, engine: Engine, note: Callable[[str], None]) -> bool:
    if engine.image(on_mirror):
        return True
    note(f"from {on_mirror}")
    try:
        engine.pull(on_mirror, progress=note)
    except EngineError as error:
        note(f"the mirror does not give {on_mirror} ({error.message.removesuffix('.')}); trying {of}")
        return False
    return True
