"""Integration tests in CI: services, shards, one honest report, and the same run on a laptop."""

__version__ = "0.1.0"
