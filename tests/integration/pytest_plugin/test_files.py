"""The fixture `bucket`: storage that speaks S3, with no service for it in the settings."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.fixtures import pytest_in, suite


def test_files_go_up_and_down_and_are_gone_after_the_test(tmp_path: Path) -> None:
    text = """
    import urllib.request
    import boto3, pytest

    def test_up_and_down(bucket):
        bucket.upload("notes/a.txt", "hello", ContentType="text/plain")
        assert bucket.download("notes/a.txt") == b"hello"
        assert bucket.keys("notes/") == ["notes/a.txt"]
        assert urllib.request.urlopen(bucket.link("notes/a.txt")).read() == b"hello"

    def test_the_app_finds_it_by_the_environment(bucket):
        boto3.client("s3").put_object(Bucket=bucket.name, Key="b.bin", Body=bytes(3))
        assert bucket.keys() == ["b.bin"]

    def test_a_large_file_goes_in_parts(bucket, tmp_path):
        large = tmp_path / "large"
        large.write_bytes(bytes(20_000_000))
        bucket.upload("large", large)
        assert bucket.download_to("large", tmp_path / "again").read_bytes() == large.read_bytes()

    def test_an_upload_by_a_signed_address(bucket):
        link, headers = bucket.link("up", method="put_object"), {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(link, data=b"x", headers=headers, method="PUT")
        urllib.request.urlopen(request)
        assert bucket.download("up") == b"x"

    def test_it_begins_empty(bucket):
        assert bucket.keys() == []
        with pytest.raises(pytest.fail.Exception, match="There is no 'a' in the bucket; there are: none."):
            bucket.download("a")
"""
    root = suite(tmp_path, {"tests/test_it.py": text})

    ran = pytest_in(root)

    assert ran.counts == {"passed": 5}, ran.output
