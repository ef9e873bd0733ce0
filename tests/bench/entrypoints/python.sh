#!/bin/sh
# Entry point of the bench's Python image; Docker Hub's official one has none.
exec "$@"
