"""What a shard pays beside its cases: its own start, services, and the setup of each file it touches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SERVICE_OVERLAP = 0.75
"""Share of a service's start-up that passes while a slower one starts; they start concurrently."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that come on top of the cases'.

    Attributes:
        boot_seconds: From the job's start to its tests, and from their end to the job's; the same for every shard.
        session_seconds: Start of the test runner with what its session sets up; the same for every shard.
        file_setup: Setup of a file, paid once by every shard that has a piece of it.
        default_file_setup: The same for a file that is not named there.
        service_seconds: Start-up of each service.
        needs: Services of each file; a file that is not named needs all of them.
        service_overlap: 0 when services start one after another, 1 when only the slowest counts.
        workers: Processes that share a shard's work.
    """

    boot_seconds: float = 0.0
    session_seconds: float = 0.0
    file_setup: Mapping[str, float] = field(default_factory=dict)
    default_file_setup: float = 0.0
    service_seconds: Mapping[str, float] = field(default_factory=dict)
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    service_overlap: float = DEFAULT_SERVICE_OVERLAP
    workers: int = 1

    def setup_of(self, file: str) -> float:
        return self.file_setup.get(file, self.default_file_setup)

    def needs_of(self, file: str) -> frozenset[str]:
        needs = self.needs.get(file)
        return frozenset(self.service_seconds if needs is None else needs & self.service_seconds.keys())

    def start_up(self, services: frozenset[str]) -> float:
        """Seconds until these services are ready."""
        seconds = [self.service_seconds[name] for name in services]
        if not seconds:
            return 0.0
        slowest = max(seconds)
        return slowest + (sum(seconds) - slowest) * (1.0 - self.service_overlap)

    @property
    def overhead_seconds(self) -> float:
        return self.boot_seconds + self.session_seconds
