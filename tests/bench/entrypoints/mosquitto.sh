#!/bin/sh
# Entry point of the bench's Mosquitto image; keeps to the interface of Docker Hub's official one.
set -e

# A volume or memory mounted here belongs to root; the server becomes mosquitto by itself.
if [ "$(id -u)" = 0 ]; then
    find /mosquitto \! -user mosquitto -exec chown mosquitto '{}' +
fi

exec "$@"
