#!/bin/sh
# Entry point of the bench's Redis image; keeps to the interface of Docker Hub's official one.
set -e

# Options, or a configuration file, without the program.
case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

# The official build lets other hosts in unless told otherwise; Debian's does not.
says_protected_mode() {
    shift
    for argument; do
        [ "$argument" != --protected-mode ] || return 0
    done
    [ -r "${1:-}" ] && grep -qiE '^[[:space:]]*protected-mode[[:space:]]' "$1"
}

if [ "${1:-}" = redis-server ]; then
    if ! says_protected_mode "$@"; then
        set -- "$@" --protected-mode no
    fi
    if [ "$(id -u)" = 0 ]; then
        find . \! -user redis -exec chown redis '{}' +
        set -- setpriv --reuid=redis --regid=redis --init-groups -- "$@"
    fi
fi

# Data files are nobody else's business, unless the container was given another mask.
[ "$(umask)" != 0022 ] || umask 0077

exec "$@"
