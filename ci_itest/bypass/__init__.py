"""When a pull request may skip the suite; pure."""
