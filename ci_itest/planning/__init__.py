"""Durations to shards; pure."""
