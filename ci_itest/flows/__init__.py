"""The use cases: each puts parts together."""
