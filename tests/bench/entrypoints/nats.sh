#!/bin/sh
# Entry point of the bench's NATS image; keeps to the interface of Docker Hub's official one.
set -e

# Options without the program.
case "${1:-}" in
    -*) set -- nats-server "$@" ;;
esac

exec "$@"
