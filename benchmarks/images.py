"""Images: what is there, changed, missing, restored; and prepared data from a snapshot. `make bench NAME=images`.

Every way is measured on the same second engine and the same registry on loopback, one after the other in each round,
so that a busy machine is busy for all; medians are shown. Saving and restoring is done as CI's cache does it, by tar
and zstd; `save and load` is what the actions that cache images do: docker save, zstd, zstd, docker load.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clock import Clock
from benchmarks.images_daemon import forget, own_engine
from benchmarks.images_snapshot import snapshot_row
from benchmarks.table import Row, show
from ci_itest.containers.cache.store import BlobStore
from ci_itest.containers.engine import Engine
from ci_itest.containers.image_names import mirrored
from ci_itest.containers.supply import Supply

IMAGES = ("postgres:15", "redis:7", "mariadb:10.11")
CHANGED = "mariadb:10.11"
_SECONDS, _SNAPSHOT_SECONDS = 270.0, 120.0  # after which no further round is begun
REGISTRY = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "127.0.0.1:5599")


@dataclass
class Bench:
    """One engine and the files that ways to cache leave.

    Attributes:
        seconds: Way to what it took, a figure a round.
    """

    engine: Engine
    folder: Path
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def timed(self, way: str, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self.seconds.setdefault(way, []).append(time.monotonic() - began)

    def median(self, way: str) -> float:
        return statistics.median(self.seconds[way])

    def ours(self) -> None:
        """All images as a shard gets them: side by side, through the cache."""
        supply = Supply(self.engine, mirror=REGISTRY, store=BlobStore(self.cache))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: supply.ensure(name, lambda _words: None), IMAGES))
        supply.close()

    def pull(self) -> None:
        """All images as `docker pull` gets them, side by side."""

        def one(name: str) -> None:
            there = mirrored(name, mirror=REGISTRY)
            self.docker("pull", "--quiet", there)
            self.docker("tag", there, name)

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, IMAGES))

    def docker(self, *arguments: str) -> None:
        subprocess.run(["docker", "--host", self.engine.address, *arguments], check=True, stdout=subprocess.DEVNULL)

    def shell(self, script: str) -> None:
        environment = {**os.environ, "DOCKER_HOST": self.engine.address}
        subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, cwd=self.folder, env=environment)

    def save_cache(self) -> None:
        self.shell("tar -C cache -c . | zstd -q -T0 --long=30 -f -o cache.tzst")

    def restore_cache(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()
        self.shell("zstd -q -d --long=30 -c cache.tzst | tar -C cache -x")

    def restored_ours(self) -> None:
        """As in a job on a fresh machine whose cache was found."""
        self.restore_cache()
        self.ours()

    def save_images(self) -> None:
        self.shell(f"docker save {' '.join(IMAGES)} | zstd -q -T0 --long=30 -f -o images.tzst")

    def load_images(self) -> None:
        self.shell("zstd -q -d --long=30 -c images.tzst | docker load -q >/dev/null")


def one_round(bench: Bench) -> None:
    """Every way once, each from the state that it is about."""
    forget(bench.engine)
    shutil.rmtree(bench.cache, ignore_errors=True)
    bench.timed("cold ours", bench.ours)
    bench.timed("save ours", bench.save_cache)

    forget(bench.engine)
    bench.timed("cold pull", bench.pull)
    bench.timed("save images", bench.save_images)

    bench.timed("present ours", bench.ours)
    bench.timed("present load", bench.load_images)

    forget(bench.engine, CHANGED, mirrored(CHANGED, mirror=REGISTRY))
    bench.timed("changed load", bench.load_images)
    forget(bench.engine, CHANGED, mirrored(CHANGED, mirror=REGISTRY))
    bench.timed("changed ours", bench.ours)

    forget(bench.engine)
    bench.timed("fresh load", bench.load_images)
    forget(bench.engine)
    bench.timed("fresh ours", bench.restored_ours)


def rows(bench: Bench) -> list[Row]:
    m = bench.median
    missed, missed_theirs = m("cold ours") + m("save ours"), m("cold pull") + m("save images")
    fresh = m("fresh ours")
    return [
        Row("all images present, s", f"{m('present ours'):.2f}", "<= 0.15", m("present ours") <= 0.15,
            f"save and load {m('present load'):.2f}"),
        Row("one of three changed, s", f"{m('changed ours'):.2f}", "<= 3.2", m("changed ours") <= 3.2,
            f"save and load {m('changed load'):.2f}"),
        Row("cold, empty cache, s", f"{m('cold ours'):.2f}", "<= docker pull x 1.1",
            m("cold ours") <= m("cold pull") * 1.1, f"docker pull {m('cold pull'):.2f}"),
        Row("fresh engine, cache hit, restored, nothing to save, s", f"{fresh:.2f}",
            "< docker pull, < save and load", fresh < m("cold pull") and fresh < m("fresh load"),
            f"docker pull {m('cold pull'):.2f} (registry on loopback), save and load {m('fresh load'):.2f}"),
        Row("job that misses the cache, fetched and saved, s", f"{missed:.2f}", "<= half of save and load",
            missed <= missed_theirs / 2, f"save and load {missed_theirs:.2f}"),
    ]  # fmt: skip


def main() -> None:
    quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory(prefix="images-bench-") as folder, own_engine() as engine:
        bench = Bench(engine, Path(folder))
        for number in Clock(_SECONDS, least=1).rounds(1 if quick else 3):
            one_round(bench)
            print(f"round {number}: " + ", ".join(f"{way} {took[-1]:.2f}" for way, took in bench.seconds.items()))
        print(f"cache {sum(BlobStore(bench.cache).blobs().values()) / 1e6:.0f} MB, "
              f"archive of it {(bench.folder / 'cache.tzst').stat().st_size / 1e6:.0f} MB, "
              f"archive of docker save {(bench.folder / 'images.tzst').stat().st_size / 1e6:.0f} MB")  # fmt: skip
        found = rows(bench)
    show("images", [*found, snapshot_row(rounds=2 if quick else 5, seconds=_SNAPSHOT_SECONDS)])


if __name__ == "__main__":
    main()
