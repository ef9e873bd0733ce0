"""Containers: known images, start-up, readiness, logs, and what is left behind."""
