"""What earlier runs measured, kept in SQL."""
