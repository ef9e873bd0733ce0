"""The images the bench can build: one row each.

A row keeps to the interface of Docker Hub's official image of that name: variables, volume, port, user number,
command. Its entry point is a script of our own in entrypoints/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRYPOINTS = Path(__file__).parent / "entrypoints"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ServiceImage:
    """A service, and how its image is made from Debian packages.

    Attributes:
        name: Its name on Docker Hub, below library/.
        tag: What suites ask for. The distribution decides the real version; where it differs, the build says so.
        packages: Installed without recommended ones.
        version_of: The package whose version is the service's; a pattern.
        entrypoint: A file in entrypoints/.
        command: What the entry point gets where `docker run` names nothing.
        port: Declared, not published. 0 for none.
        user: System user that the service runs as, made before the packages are installed. "" for root.
        user_number: Its number and its group's, as in the official image.
        volume: "" for none.
        environment: `{version}` and `{major}` stand for the real version.
        prepare: Shell script, run as root before the packages are installed.
        setup: Shell script, run as root in the finished file system. `{version}` and `{major}` as above.
        left_out: Patterns of paths that the layer does without.
        stop_signal: What `docker stop` sends.
    """

    name: str
    tag: str
    packages: tuple[str, ...]
    version_of: str
    entrypoint: str
    command: tuple[str, ...]
    port: int
    user: str
    user_number: int
    home: str
    volume: str = ""
    working_folder: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    setup: str = ""
    left_out: tuple[str, ...] = ()
    stop_signal: str = ""

    @property
    def repository(self) -> str:
        return f"library/{self.name}"


POSTGRES = ServiceImage(
    name="postgres",
    tag="15",
    # No `postgresql` package of a fixed number: the suite's own is taken. locales: the official image sorts as en_US.
    packages=("postgresql", "locales", "libnss-wrapper", "xz-utils", "zstd"),
    version_of="postgresql-[1-9]*",
    entrypoint="postgres.sh",
    command=("postgres",),
    port=5432,
    user="postgres",
    user_number=999,
    home="/var/lib/postgresql",
    volume="/var/lib/postgresql/data",
    environment={
        "PATH": f"{PATH}:/usr/lib/postgresql/{{major}}/bin",
        "LANG": "en_US.utf8",
        "PG_MAJOR": "{major}",
        "PG_VERSION": "{version}",
        "PGDATA": "/var/lib/postgresql/data",
    },
    # The package would make a cluster of its own, for nobody.
    prepare="""
        mkdir /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    """,
    setup="""
        localedef -i en_US -c -f UTF-8 en_US.UTF-8
        rm -rf /var/lib/postgresql/* /etc/postgresql/*
        # Debian's clients go through a Perl program that chooses a version; there is one version here and no Perl.
        for program in /usr/lib/postgresql/{major}/bin/*; do
            [ ! -L "/usr/bin/${program##*/}" ] || ln -sf "$program" /usr/bin/
        done
        sed -i "s/^#*listen_addresses .*/listen_addresses = '*'/" /usr/share/postgresql/{major}/postgresql.conf.sample
        install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data
        install -d -o postgres -g postgres -m 3777 /run/postgresql
        install -d /docker-entrypoint-initdb.d
    """,
    # LLVM: 120 MB for compiling long queries just in time; the server goes without it where the file is not there.
    left_out=(
        "usr/lib/*/libLLVM*",
        "usr/lib/*/libz3.so*",
        "usr/lib/postgresql/*/lib/bitcode/*",
        "usr/lib/postgresql/*/lib/llvmjit*",
        "usr/lib/llvm-*",
        "usr/share/perl5/*",
    ),
    stop_signal="SIGINT",
)

REDIS = ServiceImage(
    name="redis",
    tag="7",
    packages=("redis-server",),
    version_of="redis-server",
    entrypoint="redis.sh",
    command=("redis-server",),
    port=6379,
    user="redis",
    user_number=999,
    home="/data",
    volume="/data",
    working_folder="/data",
    environment={"PATH": PATH, "REDIS_VERSION": "{version}"},
    setup="install -d -o redis -g redis /data",
)

MARIADB = ServiceImage(
    name="mariadb",
    tag="10.11",
    # The server's package proper brings Perl, galera and an init script; programs and tables are in these two.
    packages=("mariadb-server-core", "mariadb-client-core"),
    version_of="mariadb-server-core*",
    entrypoint="mariadb.sh",
    command=("mariadbd",),
    port=3306,
    user="mysql",
    user_number=999,
    home="/var/lib/mysql",
    volume="/var/lib/mysql",
    environment={"PATH": PATH, "LANG": "C.UTF-8", "MARIADB_VERSION": "{version}"},
    setup="""
        install -d -o mysql -g mysql -m 1777 /run/mysqld /var/lib/mysql
        install -d /docker-entrypoint-initdb.d /etc/mysql/conf.d
        echo '[mysqld]' >/etc/mysql/my.cnf
        printf '%s\n' 'socket = /run/mysqld/mysqld.sock' 'datadir = /var/lib/mysql' 'skip-name-resolve' \
            'bind-address = 0.0.0.0' '[client]' 'socket = /run/mysqld/mysqld.sock' \
            '!includedir /etc/mysql/conf.d/' >>/etc/mysql/my.cnf
    """,
)

RABBITMQ = ServiceImage(
    name="rabbitmq",
    tag="3",
    packages=("rabbitmq-server",),
    version_of="rabbitmq-server",
    entrypoint="rabbitmq.sh",
    command=("rabbitmq-server",),
    port=5672,
    user="rabbitmq",
    user_number=999,
    home="/var/lib/rabbitmq",
    volume="/var/lib/rabbitmq",
    environment={
        # Before /usr/sbin, whose programs of the same names change the user and then call these.
        "PATH": f"/usr/lib/rabbitmq/bin:{PATH}",
        "LANG": "C.UTF-8",
        "HOME": "/var/lib/rabbitmq",
        "RABBITMQ_VERSION": "{version}",
        "RABBITMQ_LOGS": "-",
        # For the one log that goes to a file all the same; an image has nothing in /var/log.
        "RABBITMQ_LOG_BASE": "/var/lib/rabbitmq/log",
    },
    setup="""
        rm -rf /var/lib/rabbitmq/* /var/lib/rabbitmq/.erlang.cookie
        install -d /etc/rabbitmq/conf.d
        echo 'loopback_users.guest = false' >/etc/rabbitmq/conf.d/10-defaults.conf
        chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /etc/rabbitmq
    """,
    # Only rabbitmqadmin is written in Python.
    left_out=("usr/lib/python3*", "usr/lib/erlang/lib/*/src/*", "usr/lib/erlang/lib/*/examples/*"),
)

NATS = ServiceImage(
    name="nats",
    tag="2",
    packages=("nats-server",),
    version_of="nats-server",
    entrypoint="nats.sh",
    command=("nats-server",),
    port=4222,
    user="nats",
    user_number=999,
    home="/data",
    environment={"PATH": PATH, "NATS_SERVER": "{version}"},
)

MEMCACHED = ServiceImage(
    name="memcached",
    tag="1",
    packages=("memcached",),
    version_of="memcached",
    entrypoint="memcached.sh",
    command=("memcached",),
    port=11211,
    user="memcache",
    user_number=11211,
    home="/nonexistent",
    environment={"PATH": PATH, "MEMCACHED_VERSION": "{version}"},
    left_out=("usr/share/memcached/*",),
)

MOSQUITTO = ServiceImage(
    name="eclipse-mosquitto",
    tag="2",
    packages=("mosquitto", "mosquitto-clients"),
    version_of="mosquitto",
    entrypoint="mosquitto.sh",
    command=("mosquitto", "-c", "/mosquitto/config/mosquitto.conf"),
    port=1883,
    user="mosquitto",
    user_number=1883,
    home="/mosquitto",
    volume="/mosquitto/data",
    environment={"PATH": PATH, "VERSION": "{version}"},
    setup="""
        install -d -o mosquitto -g mosquitto /mosquitto /mosquitto/config /mosquitto/data /mosquitto/log
        # As in the official image: without settings of one's own, only the container itself is let in.
        : >/mosquitto/config/mosquitto.conf
        printf '%s\n' 'listener 1883' 'allow_anonymous true' >/mosquitto-no-auth.conf
    """,
)

PYTHON = ServiceImage(
    name="python",
    # Debian's own; the official image of that tag has more in it.
    tag="3",
    packages=("python3-venv", "ca-certificates", "passwd"),
    version_of="python3",
    entrypoint="python.sh",
    command=("python3",),
    port=0,
    user="",
    user_number=0,
    home="",
    environment={"PATH": PATH, "LANG": "C.UTF-8", "PYTHON_VERSION": "{version}"},
    setup="ln -s /usr/bin/python3 /usr/local/bin/python",
)

CATALOGUE = (POSTGRES, REDIS)
"""What `up` makes available: nearly every test with a container wants these."""

MORE = (MARIADB, RABBITMQ, NATS, MEMCACHED, MOSQUITTO, PYTHON)
"""Built when somebody asks for them by name: few tests do, and these then run beside the others."""
