"""The services each case of the astro-sdk suite needs, as its ids tell them."""

from __future__ import annotations

_WORDS = {
    "postgres": "postgres",
    "bigquery": "bigquery",
    "snowflake": "snowflake",
    "redshift": "redshift",
    "delta": "databricks",
    "databricks": "databricks",
    "google": "gcs",
    "gcs": "gcs",
    "gs": "gcs",
    "amazon": "s3",
    "s3": "s3",
    "azure": "azure",
    "wasb": "azure",
    "ftp": "ftp",
}


def services_of(case: str) -> frozenset[str]:
    """Ten services: an id that names a database or a storage needs it."""
    text = case.lower()
    found = {service for word, service in _WORDS.items() if word in text.replace("sftp", "")}
    return frozenset(found | {"sftp"} if "sftp" in text else found)
