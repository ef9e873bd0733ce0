"""GitHub: the run's context, workflow commands, the REST API, the comment."""
