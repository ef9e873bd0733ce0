"""The command: `python3 -m tests.bench up | down | status | images`. stdout is data, people read stderr."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tests.bench import engine, flows, servers
from tests.bench.progress import say
from tests.bench.settings import BenchError, from_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = from_environment()
        with servers.locked(settings):
            return int(options.command(settings, options))
    except BenchError as error:
        say("bench", str(error))
        if error.hint:
            say("bench", error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        say("bench", "interrupted")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="make everything available; prints NAME=VALUE lines to export")
    up.add_argument("parts", nargs="*", metavar="PART", help=f"only these of: {', '.join(flows.PARTS)}")
    up.add_argument("--build", action="store_true", help="build the images whatever there is")
    up.set_defaults(command=_up)
    down = commands.add_parser("down", help="end the servers that `up` started; the cache stays")
    down.add_argument("--purge", action="store_true", help="delete the cache too: images, logs, packages")
    down.set_defaults(command=_down)
    status = commands.add_parser("status", help="what runs; exit code 3 without an engine")
    status.set_defaults(command=_status)
    listing = commands.add_parser("images", help="references of the images, built where they are missing")
    listing.add_argument("names", nargs="*", metavar="NAME", help="only these; all without a name")
    listing.add_argument("--build", action="store_true", help="build them whatever there is")
    listing.set_defaults(command=_images)
    return parser


def _up(settings: Settings, options: argparse.Namespace) -> int:
    if unknown := sorted(set(options.parts) - set(flows.PARTS)):
        raise BenchError(
            f"No such part: {', '.join(unknown)}.", hint=f"There are {', '.join(flows.PARTS)}.", exit_code=2
        )
    lines = flows.up(settings, parts=options.parts or flows.PARTS, build=options.build)
    sys.stdout.writelines(f"{name}={value}\n" for name, value in lines.items())
    return 0


def _down(settings: Settings, options: argparse.Namespace) -> int:
    flows.down(settings, purge=options.purge)
    return 0


def _status(settings: Settings, _: argparse.Namespace) -> int:
    for name, what in flows.status(settings).items():
        sys.stdout.write(f"{name}: {what}\n")
    return 0 if engine.found(settings) else 3


def _images(settings: Settings, options: argparse.Namespace) -> int:
    for reference in flows.images_built(settings, names=options.names, build=options.build):
        sys.stdout.write(f"{reference}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
