#!/bin/sh
# Entry point of the bench's MariaDB image; keeps to the interface of Docker Hub's official one.
set -eu

DATA=/var/lib/mysql
SOCKET=/run/mysqld/mysqld.sock

fail() {
    printf >&2 'error: %s\n' "$@"
    exit 1
}

# The value of MARIADB_NAME, of the file that MARIADB_NAME_FILE names, or of the older MYSQL_NAME.
setting() { # NAME
    for prefix in MARIADB MYSQL; do
        eval "value=\${${prefix}_$1:-} file=\${${prefix}_$1_FILE:-}"
        if [ -n "$value" ]; then
            printf %s "$value"
            return
        elif [ -n "$file" ]; then
            cat "$file"
            return
        fi
    done
}

quoted() { # text, for an SQL string in single quotes
    printf %s "$1" | sed "s/[\\\\']/\\\\&/g"
}

client() {
    mariadb --protocol=socket --socket="$SOCKET" --user=root --comments "$@"
}

make_tables() {
    mariadb-install-db --datadir="$DATA" --skip-test-db --auth-root-authentication-method=normal \
        --skip-name-resolve >/dev/null
}

say() { # one line as it is: this shell's echo takes backslashes for its own
    printf '%s\n' "$1"
}

accounts() { # the SQL that makes them
    root=$(quoted "$root_password")
    say "DELETE FROM mysql.global_priv WHERE user NOT IN ('mariadb.sys', 'root') OR host NOT IN ('localhost');"
    say "FLUSH PRIVILEGES;"
    host=$(setting ROOT_HOST)
    say "CREATE OR REPLACE USER 'root'@'$(quoted "${host:-%}")' IDENTIFIED BY '$root';"
    say "GRANT ALL ON *.* TO 'root'@'$(quoted "${host:-%}")' WITH GRANT OPTION;"
    database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
    if [ -n "$database" ]; then
        say "CREATE DATABASE IF NOT EXISTS \`$database\`;"
    fi
    if [ -n "$user" ] && [ -n "$password" ]; then
        say "CREATE USER '$(quoted "$user")'@'%' IDENTIFIED BY '$(quoted "$password")';"
        if [ -n "$database" ]; then
            say "GRANT ALL ON \`$(printf %s "$database" | sed 's/_/\\_/g')\`.* TO '$(quoted "$user")'@'%';"
        fi
    fi
    # Last: from here on the client needs the password.
    say "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('$root');"
}

run_scripts() {
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) . "$file" ;;
            *.sql) client --database="$(setting DATABASE)" <"$file" ;;
            *.sql.gz) gzip --decompress --stdout "$file" | client --database="$(setting DATABASE)" ;;
        esac
    done
}

initialise() { # the server's command
    root_password=$(setting ROOT_PASSWORD)
    if [ -n "$(setting RANDOM_ROOT_PASSWORD)" ]; then
        root_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        echo "GENERATED ROOT PASSWORD: $root_password"
    fi
    [ -n "$root_password$(setting ALLOW_EMPTY_ROOT_PASSWORD)$(setting ALLOW_EMPTY_PASSWORD)" ] ||
        fail 'the database is empty and no password is set' \
            'set MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD or MARIADB_RANDOM_ROOT_PASSWORD'
    make_tables
    # Not on TCP, so that nobody outside takes this server for the finished one.
    "$@" --skip-networking --socket="$SOCKET" &
    server=$!
    until client --execute 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || fail 'the server did not start'
        sleep 0.05
    done
    accounts | client --database=mysql
    export MYSQL_PWD="$root_password"
    run_scripts
    client --execute SHUTDOWN
    unset MYSQL_PWD
    wait "$server"
}

# Options without the program.
case "${1:-}" in
    -*) set -- mariadbd "$@" ;;
esac

case "${1:-}" in
    mariadbd | mysqld)
        if [ "$(id -u)" = 0 ]; then
            find "$DATA" /run/mysqld \! -user mysql -exec chown mysql:mysql '{}' +
            exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
        fi
        [ -d "$DATA/mysql" ] || initialise "$@"
        ;;
esac

exec "$@"
