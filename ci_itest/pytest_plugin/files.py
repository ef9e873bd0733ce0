"""`bucket`: object storage that speaks S3, from a service of the settings, else from a server in this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ci_itest.containers.known_images import known_image
from ci_itest.errors import UsageError
from ci_itest.pytest_plugin.activity import activity_of
from ci_itest.pytest_plugin.session import Session, session_of, told_plainly

_KEYS = ("ci-itest-key", "ci-itest-secret")
_REGION = "us-east-1"


@dataclass
class Bucket:
    """A bucket of this worker; empty at the beginning of each test.

    Attributes:
        url: Of the storage, as `endpoint_url` of clients.
        client: boto3's, for all that is not said here.
        environment: What an app needs to find the storage; set in this process.
    """

    name: str
    url: str
    client: Any = field(repr=False)
    environment: dict[str, str] = field(repr=False)

    def upload(self, key: str, content: bytes | str | Path, **details: Any) -> None:
        """Put text, bytes or a file there, a large one in parts; details as boto3's `ExtraArgs` names them."""
        if isinstance(content, Path):
            self.client.upload_file(str(content), self.name, key, ExtraArgs=details or None)
        else:
            body = content.encode() if isinstance(content, str) else content
            self.client.put_object(Bucket=self.name, Key=key, Body=body, **details)

    def download(self, key: str) -> bytes:
        """The content; fails with the keys there are when it is not there."""
        try:
            body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            raise pytest.fail.Exception(
                f"There is no {key!r} in the bucket; there are: {', '.join(self.keys()) or 'none'}."
            ) from None
        return body

    def download_to(self, key: str, path: Path) -> Path:
        """The content as a file, a large one in parts."""
        self.client.download_file(self.name, key, str(path))
        return path

    def keys(self, prefix: str = "") -> list[str]:
        """All keys, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def link(self, key: str, *, method: str = "get_object", seconds: int = 60) -> str:
        """A signed address: for download, or with method="put_object" for upload, by anybody."""
        parameters = {"Bucket": self.name, "Key": key}
        return str(self.client.generate_presigned_url(method, Params=parameters, ExpiresIn=seconds))

    def clear(self) -> None:
        for key in self.keys():
            self.client.delete_object(Bucket=self.name, Key=key)


_STORAGE = pytest.StashKey[Bucket]()


def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """The worker's bucket, emptied after the test."""
    config = request.config
    with told_plainly():
        found = config.stash.get(_STORAGE, None)
        if found is None:
            found = config.stash[_STORAGE] = _made(config, session_of(config))
    activity_of(config).sources["bucket"] = lambda: "\n".join(found.keys())
    yield found
    found.clear()


def _made(config: pytest.Config, session: Session) -> Bucket:
    service = next((name for name, one in session.settings.services.items() if _is_storage(one.image)), "")
    if service:
        endpoint = session.endpoint(service)
        url = f"http://{endpoint.address}"
        keys = (endpoint.credentials.get("user", _KEYS[0]), endpoint.credentials.get("password", _KEYS[1]))
    else:
        url, keys = _own_server(config), _KEYS
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": keys[0],
        "AWS_SECRET_ACCESS_KEY": keys[1],
        "AWS_DEFAULT_REGION": _REGION,
    }
    os.environ.update(environment)
    client = _client(url)
    name = f"ci-itest-{session.worker}-{os.getpid()}"
    client.create_bucket(Bucket=name)
    return Bucket(name, url, client, {**environment, "BUCKET": name})


def _is_storage(image: str) -> bool:
    known = known_image(image)
    return known is not None and known.name in ("minio", "localstack")


def _own_server(config: pytest.Config) -> str:
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise UsageError(
            "bucket needs a service that speaks S3 (minio), or moto.",
            hint='Install it: pip install "ci-itest[files]", or write minio = "minio/minio" in [services].',
        ) from error
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request, in every failure
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    config.add_cleanup(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def _client(url: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise UsageError("bucket needs boto3.", hint='Install it: pip install "ci-itest[files]"') from error
    return boto3.client("s3", endpoint_url=url, config=Config(signature_version="s3v4"))
