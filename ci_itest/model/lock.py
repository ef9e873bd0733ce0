"""Images pinned by content: `Lock`, which is `ci-itest.lock`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LockedPlatform:
    """One platform's image.

    Attributes:
        platform: `linux/amd64`.
        digest: Of its manifest.
    """

    platform: str
    digest: str


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image of the settings and what it stands for.

    Attributes:
        name: As the settings write it.
        digest: Of its manifest, or of the index of several platforms.
        platforms: Those of the index; empty for an image of one platform that does not say which.
    """

    name: str
    digest: str
    platforms: tuple[LockedPlatform, ...] = ()


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole file, by name."""

    images: tuple[LockedImage, ...] = ()

    @property
    def pins(self) -> dict[str, str]:
        """Image name to digest."""
        return {image.name: image.digest for image in self.images}
