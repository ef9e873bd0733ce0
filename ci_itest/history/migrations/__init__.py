"""Alembic's migrations of the history's tables; run by `history/upgrade.py` alone."""
