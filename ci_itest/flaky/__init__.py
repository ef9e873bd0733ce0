"""How cases flake and what a failure is due to; pure."""
