#!/bin/sh
# Entry point of the bench's RabbitMQ image; keeps to the interface of Docker Hub's official one.
# RABBITMQ_DEFAULT_USER, _PASS and _VHOST are read by the server itself.
set -e

case "${1:-}" in
    rabbitmq*)
        if [ "$(id -u)" = 0 ]; then
            find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq:rabbitmq '{}' +
            set -- setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups -- "$@"
        fi
        ;;
esac

exec "$@"
