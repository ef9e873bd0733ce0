"""The images we know: how each is started for throw-away data, reached, and asked whether it serves.

Credentials are fixed and worthless: the server listens on loopback for the length of a test run, and a fixed value
keeps a replay equal to what ran in CI. Durability is off wherever the image lets us, since the data is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ci_itest.containers.image_names import ImageName

USER = "test"
PASSWORD = "test-password"  # noqa: S105 - see above; eight characters and more, which MinIO asks for
DATABASE = "test"

ADDRESS = "{address}"
"""In an environment value of a service: its own published `host:port`, for servers that tell clients where they are."""

NAME = "{name}"
"""In an environment value of a preset: the service's name, which is its host name on the shard's network."""

_VENDORS_WITH_OTHER_SETTINGS = ("bitnami", "bitnamilegacy", "bitnamisecure", "chainguard", "sclorg", "rapidfort")
"""They publish images under the same last name that take other variables, other paths or another user."""


@dataclass(frozen=True, slots=True)
class KnownImage:
    """How to run one kind of server.

    Attributes:
        repositories: Last part of the image's repository, or its last two parts where other vendors use the name
            for something else.
        port: Where it listens inside the container.
        protocol: Name of the question that tells whether it serves.
        url: Address for tests. `{login}` is `user:password@` as far as the service has them, else nothing.
        credentials: Name of a credential, to the variable of the container that holds it.
        options: Option of the command, to the credential that follows it.
        tmpfs: Data folders, kept in memory.
        ports: Further ports by name, as `{smtp_port}` in the address.
        network_port: Where containers of its network are served, where that is not `port`; else 0.
        unset: Credentials that the image takes by itself where its variables are not set (in a Compose file);
            `{user}` in one stands for another credential.
        has_first_start: Whether its first start makes a database, which takes most of the time (1.3 s of processor
            time of PostgreSQL's, 5 s of MySQL's) and gives the same each time.
    """

    name: str
    repositories: tuple[str, ...]
    port: int
    protocol: str
    url: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    network_port: int = 0
    unset: Mapping[str, str] = field(default_factory=dict)
    has_first_start: bool = False


def known_image(image: str) -> KnownImage | None:
    """The preset for an image, by the name of its repository on whatever registry or mirror."""
    parts = ImageName.parse(image).repository.split("/")
    if any(part in _VENDORS_WITH_OTHER_SETTINGS for part in parts[:-1]):
        return None
    return _BY_REPOSITORY.get("/".join(parts[-2:])) or _BY_REPOSITORY.get(parts[-1])


KNOWN_IMAGES = (
    KnownImage(
        name="postgres",
        repositories=("postgres", "postgis/postgis", "pgvector/pgvector", "timescale/timescaledb"),
        port=5432,
        protocol="postgres",
        url="postgresql://{login}{host}:{port}/{database}",
        environment={
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_INITDB_ARGS": "--no-sync",
            # Of our own choosing: the image's own folder moved with version 18, and is a volume in all.
            "PGDATA": "/pgdata",
        },
        credentials={"user": "POSTGRES_USER", "password": "POSTGRES_PASSWORD", "database": "POSTGRES_DB"},
        unset={"user": "postgres", "database": "{user}"},
        command=("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
        tmpfs=("/pgdata",),
        has_first_start=True,
    ),
    KnownImage(
        name="mysql",
        repositories=("mysql",),
        port=3306,
        protocol="mysql",
        url="mysql://{login}{host}:{port}/{database}",
        environment={
            "MYSQL_ROOT_PASSWORD": PASSWORD,
            "MYSQL_USER": USER,
            "MYSQL_PASSWORD": PASSWORD,
            "MYSQL_DATABASE": DATABASE,
        },
        credentials={
            "user": "MYSQL_USER",
            "password": "MYSQL_PASSWORD",
            "database": "MYSQL_DATABASE",
            "root_password": "MYSQL_ROOT_PASSWORD",
        },
        unset={"user": "root", "password": "{root_password}", "database": ""},
        command=(
            "--skip-log-bin",
            "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=OFF",
        ),
        tmpfs=("/var/lib/mysql",),
        has_first_start=True,
    ),
    KnownImage(
        name="mariadb",
        repositories=("mariadb",),
        port=3306,
        protocol="mysql",
        url="mysql://{login}{host}:{port}/{database}",
        environment={
            "MARIADB_ROOT_PASSWORD": PASSWORD,
            "MARIADB_USER": USER,
            "MARIADB_PASSWORD": PASSWORD,
            "MARIADB_DATABASE": DATABASE,
        },
        credentials={
            "user": "MARIADB_USER",
            "password": "MARIADB_PASSWORD",
            "database": "MARIADB_DATABASE",
            "root_password": "MARIADB_ROOT_PASSWORD",
        },
        unset={"user": "root", "password": "{root_password}", "database": ""},
        command=(
            "--skip-log-bin",
            "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=OFF",
        ),
        tmpfs=("/var/lib/mysql",),
        has_first_start=True,
    ),
    KnownImage(
        name="redis",
        repositories=("redis",),
        port=6379,
        protocol="redis",
        url="redis://{login}{host}:{port}/0",
        options={"--requirepass": "password"},
        command=("--save", "", "--appendonly", "no"),
        tmpfs=("/data",),
    ),
    KnownImage(
        name="valkey",
        repositories=("valkey",),
        port=6379,
        protocol="redis",
        # The scheme that Redis clients know; Valkey's own clients take it too.
        url="redis://{login}{host}:{port}/0",
        options={"--requirepass": "password"},
        command=("--save", "", "--appendonly", "no"),
        tmpfs=("/data",),
    ),
    KnownImage(
        name="rabbitmq",
        repositories=("rabbitmq",),
        port=5672,
        protocol="amqp",
        # No path: clients disagree on whether "/" names the default virtual host or one with an empty name.
        url="amqp://{login}{host}:{port}",
        environment={"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": PASSWORD},
        credentials={"user": "RABBITMQ_DEFAULT_USER", "password": "RABBITMQ_DEFAULT_PASS"},
        unset={"user": "guest", "password": "guest"},
        tmpfs=("/var/lib/rabbitmq",),
    ),
    KnownImage(
        name="nats",
        repositories=("nats",),
        port=4222,
        protocol="nats",
        url="nats://{login}{host}:{port}",
        options={"--user": "user", "--pass": "password", "--auth": "token"},
        command=("-js", "-sd", "/data"),
        tmpfs=("/data",),
    ),
    KnownImage(
        name="kafka",
        repositories=("apache/kafka", "apache/kafka-native"),
        port=9092,
        protocol="kafka",
        url="{host}:{port}",
        network_port=19092,
        # One node that is broker and controller. Any KAFKA_ variable replaces the image's whole default file.
        environment={
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENERS": "TESTS://:9092,CONTROLLER://:9093,NETWORK://:19092",
            # A client is sent to the advertised address after its first request: tests to the published port,
            # containers of the shard (the app) to the service's name.
            "KAFKA_ADVERTISED_LISTENERS": f"TESTS://{ADDRESS},NETWORK://{NAME}:19092",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "NETWORK",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "TESTS:PLAINTEXT,CONTROLLER:PLAINTEXT,NETWORK:PLAINTEXT",
            "KAFKA_LOG_DIRS": "/tmp/kafka-data",  # noqa: S108 - inside the container, in memory
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            # The first consumer of a group waits 3 s for others by default.
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        },
        tmpfs=("/tmp/kafka-data",),  # noqa: S108
    ),
    KnownImage(
        name="mongo",
        repositories=("mongo",),
        port=27017,
        protocol="mongo",
        url="mongodb://{login}{host}:{port}",
        credentials={"user": "MONGO_INITDB_ROOT_USERNAME", "password": "MONGO_INITDB_ROOT_PASSWORD"},
        tmpfs=("/data/db", "/data/configdb"),
    ),
    KnownImage(
        name="elasticsearch",
        repositories=("elasticsearch",),
        port=9200,
        protocol="search",
        url="http://{login}{host}:{port}",
        environment={
            "discovery.type": "single-node",
            "xpack.security.enabled": "false",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
        },
        tmpfs=("/usr/share/elasticsearch/data",),
    ),
    KnownImage(
        name="opensearch",
        repositories=("opensearch",),
        port=9200,
        protocol="search",
        url="http://{login}{host}:{port}",
        environment={
            "discovery.type": "single-node",
            "DISABLE_SECURITY_PLUGIN": "true",
            "DISABLE_INSTALL_DEMO_CONFIG": "true",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "OPENSEARCH_JAVA_OPTS": "-Xms512m -Xmx512m",
        },
        tmpfs=("/usr/share/opensearch/data",),
    ),
    KnownImage(
        name="memcached",
        repositories=("memcached",),
        port=11211,
        protocol="memcached",
        url="memcached://{host}:{port}",
    ),
    KnownImage(
        name="mosquitto",
        repositories=("eclipse-mosquitto",),
        port=1883,
        protocol="mqtt",
        url="mqtt://{host}:{port}",
        # The image's own settings let nobody in from outside the container; it ships with these beside them.
        command=("mosquitto", "-c", "/mosquitto-no-auth.conf"),
        tmpfs=("/mosquitto/data",),
    ),
    KnownImage(
        name="minio",
        repositories=("minio",),
        port=9000,
        protocol="minio",
        url="http://{host}:{port}",
        environment={"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD},
        credentials={"user": "MINIO_ROOT_USER", "password": "MINIO_ROOT_PASSWORD"},
        unset={"user": "minioadmin", "password": "minioadmin"},
        command=("server", "/data"),
        tmpfs=("/data",),
    ),
    KnownImage(
        name="mailpit",
        repositories=("mailpit",),
        port=8025,
        protocol="mailpit",
        url="smtp://{host}:{smtp_port}",
        ports={"smtp": 1025},
    ),
    KnownImage(
        name="localstack",
        repositories=("localstack", "localstack-pro"),
        port=4566,
        protocol="localstack",
        url="http://{host}:{port}",
        # Addresses of queues that LocalStack hands out follow the address it was asked at.
        environment={"SQS_ENDPOINT_STRATEGY": "dynamic", "AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": USER},
        credentials={"user": "AWS_ACCESS_KEY_ID", "password": "AWS_SECRET_ACCESS_KEY"},
    ),
    KnownImage(
        name="wiremock",
        repositories=("wiremock",),
        port=8080,
        protocol="wiremock",
        url="http://{host}:{port}",
    ),
)

_BY_REPOSITORY = {repository: known for known in KNOWN_IMAGES for repository in known.repositories}
