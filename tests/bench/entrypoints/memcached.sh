#!/bin/sh
# Entry point of the bench's Memcached image; keeps to the interface of Docker Hub's official one.
set -e

# Options without the program.
case "${1:-}" in
    -*) set -- memcached "$@" ;;
esac

# The server refuses to serve as root.
if [ "$(id -u)" = 0 ]; then
    set -- setpriv --reuid=memcache --regid=memcache --init-groups -- "$@"
fi

exec "$@"
