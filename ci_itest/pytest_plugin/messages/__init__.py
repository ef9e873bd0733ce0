"""Messages in tests: a handler called directly, and round trips through a real broker."""
