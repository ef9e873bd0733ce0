"""Names of images taken apart, and what a name is called on a mirror of Docker Hub."""

from __future__ import annotations

from dataclasses import dataclass

_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class ImageName:
    """`registry/repository:tag@digest`, as in `ghcr.io/acme/shop:2@sha256:…`.

    Attributes:
        registry: Host, with its port where it has one; "" for Docker Hub.
        repository: Path on the registry; official images of Docker Hub stand under `library/`.
        tag: "latest" where neither tag nor digest is given; "" beside a digest alone.
        digest: `sha256:…`; "" when the name does not pin one.
    """

    registry: str
    repository: str
    tag: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Take any name apart that `docker run` takes."""
        rest, _, digest = text.partition("@")
        registry, path = _split_registry(rest)
        folder, slash, last = path.rpartition("/")
        base, _, tag = last.partition(":")
        repository = folder + slash + base
        if not registry and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, tag or ("" if digest else "latest"), digest)

    @property
    def version(self) -> str:
        """What pins the content best: the digest, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return "".join(
            (
                f"{self.registry}/" if self.registry else "",
                self.repository,
                f":{self.tag}" if self.tag else "",
                f"@{self.digest}" if self.digest else "",
            )
        )


def mirrored(image: str, *, mirror: str) -> str:
    """The image's name on a mirror of Docker Hub; "" where the mirror does not apply.

    `postgres:15` is `<mirror>/library/postgres:15`, `org/name` is `<mirror>/org/name:latest`. Images of other
    registries are none of the mirror's business.
    """
    name = ImageName.parse(image)
    if not mirror or name.registry:
        return ""
    tag_or_digest = f"@{name.digest}" if name.digest else f":{name.tag}"
    return f"{mirror.rstrip('/')}/{name.repository}{tag_or_digest}"


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return "", text
    return ("", rest) if first in _DOCKER_HUB else (first, rest)
