"""What runs inside the user's pytest: the installed plugin, and the shard plugin that is injected by path."""
