"""What manifests say: the blobs of an image, and which manifest of several is for a platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LARGEST_MANIFEST_BYTES = 4 * 1024 * 1024
"""As much as registries have to take (OCI distribution specification 1.1)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One platform's image among several.

    Attributes:
        platform: `linux/amd64`, `linux/arm/v7`.
    """

    platform: str
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest taken apart.

    Attributes:
        media_type: What it is served as.
        config: Digest of the image's configuration; "" of an index.
        layers: Digests of the layers, the lowest first.
        variants: The images of an index; attestations and other things without a platform left out.
    """

    media_type: str
    config: str = ""
    layers: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()

    @property
    def blobs(self) -> tuple[str, ...]:
        """Digests of all that it names and that is needed with it."""
        return (*([self.config] if self.config else []), *self.layers, *(variant.digest for variant in self.variants))


def parse_manifest(data: bytes) -> Manifest | None:
    """The manifest in these bytes; None when they hold none."""
    try:
        fields: Any = msgspec.json.decode(data)
        if isinstance(fields.get("manifests"), list):
            variants = [_variant(entry) for entry in fields["manifests"]]
            return Manifest(
                fields.get("mediaType") or INDEX_TYPES[0], variants=tuple(one for one in variants if one is not None)
            )
        layers = tuple(str(layer["digest"]) for layer in fields["layers"])
        return Manifest(fields.get("mediaType") or MANIFEST_TYPES[0], str(fields["config"]["digest"]), layers)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, KeyError, TypeError):
        return None


def _variant(entry: dict[str, Any]) -> Variant | None:
    platform = entry.get("platform") or {}
    parts = [str(platform.get(name) or "") for name in ("os", "architecture", "variant")]
    if not all(parts[:2]) or "unknown" in parts:
        return None
    return Variant("/".join(filter(None, parts)), str(entry["digest"]))
