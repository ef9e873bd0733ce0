#!/usr/bin/env bash
# Entry point of the bench's PostgreSQL image; keeps to the interface of Docker Hub's official one.
set -Eeo pipefail

fail() {
    printf >&2 'error: %s\n' "$@"
    exit 1
}

# NAME_FILE may name a file that holds the value (Docker secrets).
read_setting() { # name default
    local file_name="${1}_FILE" value="${2:-}"
    [[ -z "${!1:-}" || -z "${!file_name:-}" ]] || fail "both $1 and $file_name are set; only one may be"
    if [[ -n "${!1:-}" ]]; then
        value="${!1}"
    elif [[ -n "${!file_name:-}" ]]; then
        value="$(<"${!file_name}")"
    fi
    export "$1=$value"
    unset "$file_name"
}

wants_only_words() {
    local argument
    for argument; do
        case "$argument" in
            -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

make_folders() {
    mkdir -p "$PGDATA"
    chmod 00700 "$PGDATA" || true
    mkdir -p /var/run/postgresql || true
    chmod 03775 /var/run/postgresql || true
    [[ -z "${POSTGRES_INITDB_WALDIR:-}" ]] || { mkdir -p "$POSTGRES_INITDB_WALDIR" && chmod 700 "$POSTGRES_INITDB_WALDIR"; }
}

# Only what is not right yet: touching a file of an image layer copies it up.
give_to_postgres() {
    find "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} \
        \! -user postgres -exec chown postgres '{}' +
}

check_password() {
    if [[ -z "$POSTGRES_PASSWORD" && "$POSTGRES_HOST_AUTH_METHOD" != trust ]]; then
        fail "The database is not initialised and no superuser password is given." \
            "Set POSTGRES_PASSWORD to a value that is not empty, as in \`docker run -e POSTGRES_PASSWORD=... postgres\`," \
            "or POSTGRES_HOST_AUTH_METHOD=trust to let everybody in without one."
    fi
    if [[ "$POSTGRES_HOST_AUTH_METHOD" == trust ]]; then
        echo >&2 'warning: POSTGRES_HOST_AUTH_METHOD=trust: anybody who reaches the port is let in as superuser.'
    fi
}

# `docker run --user 1234`: initdb wants a name for that number.
name_unknown_user() {
    getent passwd "$(id -u)" >/dev/null && return
    local wrapper
    wrapper="$(compgen -G '/usr/lib/*/libnss_wrapper.so' | head -n 1)" || return 0
    NSS_WRAPPER_PASSWD="$(mktemp)" NSS_WRAPPER_GROUP="$(mktemp)"
    export LD_PRELOAD="$wrapper" NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" >"$NSS_WRAPPER_PASSWD"
    printf 'postgres:x:%s:\n' "$(id -g)" >"$NSS_WRAPPER_GROUP"
}

create_cluster() {
    name_unknown_user
    local wal=()
    [[ -z "${POSTGRES_INITDB_WALDIR:-}" ]] || wal=(--waldir "$POSTGRES_INITDB_WALDIR")
    # POSTGRES_INITDB_ARGS is a command line of its own, quotes included.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") "${wal[@]}" '"${POSTGRES_INITDB_ARGS:-}"
    if [[ -n "${NSS_WRAPPER_PASSWD:-}" ]]; then
        rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
        unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    fi
}

let_hosts_in() {
    local method="$POSTGRES_HOST_AUTH_METHOD"
    [[ -n "$method" ]] || method="$(postgres -C password_encryption "$@")"
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# On the socket alone, so that nobody outside takes it for the real one.
start_for_setup() {
    PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -w start \
        -o "$(printf '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}")"
}

stop_after_setup() {
    PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
}

query() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

create_database() {
    local known
    known="$(query --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")"
    if [[ -z "$known" ]]; then
        query --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
        echo
    fi
}

run_setup_files() {
    local file
    echo
    for file; do
        echo "$0: $file"
        case "$file" in
            *.sh)
                if [[ -x "$file" ]]; then
                    "$file"
                else
                    # shellcheck disable=SC1090
                    . "$file"
                fi
                ;;
            *.sql) query --dbname "$POSTGRES_DB" -f "$file" ;;
            *.sql.gz) gunzip -c "$file" | query --dbname "$POSTGRES_DB" ;;
            *.sql.xz) xzcat "$file" | query --dbname "$POSTGRES_DB" ;;
            *.sql.zst) zstd -dc "$file" | query --dbname "$POSTGRES_DB" ;;
            *) echo "$0: not run, its ending is unknown: $file" ;;
        esac
        echo
    done
}

initialise() {
    check_password
    ls /docker-entrypoint-initdb.d/ >/dev/null # unreadable: stop before there is a half-made database
    create_cluster
    let_hosts_in "${@:2}"
    # Scripts of the user expect psql to work without an option.
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    start_for_setup "${@:2}"
    create_database
    run_setup_files /docker-entrypoint-initdb.d/*
    stop_after_setup
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[[ "${1:-}" != -* ]] || set -- postgres "$@"

if [[ "${1:-}" == postgres ]] && ! wants_only_words "$@"; then
    make_folders
    if [[ "$(id -u)" == 0 ]]; then
        give_to_postgres
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$BASH_SOURCE" "$@"
    fi
    read_setting POSTGRES_PASSWORD
    read_setting POSTGRES_USER postgres
    read_setting POSTGRES_DB "$POSTGRES_USER"
    read_setting POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    if [[ -s "$PGDATA/PG_VERSION" ]]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        shopt -s nullglob
        initialise "$@"
    fi
fi

exec "$@"
