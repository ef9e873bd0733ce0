"""Images of apps that are built: begun before the services start, awaited when the apps do."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

from ci_itest import process
from ci_itest.errors import AppError
from ci_itest.flows.commands import Log
from ci_itest.model.settings import AppSettings

LogOf = Callable[[str], contextlib.AbstractContextManager[Log]]
Held = Callable[[int], contextlib.AbstractContextManager[None]]


class BuiltImages:
    """Images under way; made by `building`."""

    def __init__(self, images: Mapping[str, Future[str]]) -> None:
        self._images = images

    def of(self, app: str) -> str:
        """The id of the app's image, as soon as it is built.

        Raises:
            AppError: It could not be built, with the last lines of what the builder said.
        """
        return self._images[app].result()


@contextlib.contextmanager
def building(
    apps: Mapping[str, AppSettings], *, root: Path, environment: Mapping[str, str], log: LogOf, held: Held
) -> Iterator[BuiltImages]:
    """Every app with a `build` is being built beside the block; what is not done at its end is stopped.

    The program `docker` builds, so that BuildKit, its caches and the user's own builder are used where there are any.

    Args:
        log: Opens the log of the build of that app.
        held: Sees to it that a process group does not outlive us.
    """
    wanted = {name: app for name, app in apps.items() if app.build}
    images: dict[str, Future[str]] = {name: Future() for name in wanted}
    over = threading.Event()

    def build(name: str, app: AppSettings) -> None:
        try:
            with log(name) as lines:
                images[name].set_result(
                    _image(name, app, root=root, environment=environment, log=lines, held=held, over=over)
                )
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks for the image
            images[name].set_exception(error)

    threads = [threading.Thread(target=build, args=item, daemon=True) for item in wanted.items()]
    for thread in threads:
        thread.start()
    try:
        yield BuiltImages(images)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _image(
    name: str,
    app: AppSettings,
    *,
    root: Path,
    environment: Mapping[str, str],
    log: Log,
    held: Held,
    over: threading.Event,
) -> str:
    context = (root / app.build).resolve()
    dockerfile = context / (app.dockerfile or "Dockerfile")
    if not dockerfile.is_file():
        raise AppError(
            f"App {name} cannot be built: there is no {dockerfile.name} in {app.build}.",
            hint="`build` is read from the folder of the settings; check out what is to lie there first.",
        )
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as folder:
        id_file = Path(folder) / "id"
        command = [
            *("docker", "build", "--file", str(dockerfile), "--iidfile", str(id_file), "--tag", _tag(name, context)),
            *(part for key, value in app.arguments.items() for part in ("--build-arg", f"{key}={value}")),
            str(context),
        ]
        with (
            process.started(command, directory=root, environment=environment, line=log.line) as child,
            held(child.pid),
        ):
            while (code := child.wait(0.1)) is None and not over.is_set():
                pass
        if code != 0 or not id_file.is_file():
            raise AppError(f"The image of app {name} was not built. Its last lines:\n{log.last_lines}")
        return id_file.read_text().strip()


def _tag(name: str, context: Path) -> str:
    """Always the same for the same folder, so that the layers of the last build stay for the next."""
    return f"ci-itest/{name.lower()}:{hashlib.sha256(str(context).encode()).hexdigest()[:12]}"
