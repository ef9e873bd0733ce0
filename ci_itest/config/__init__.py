"""Settings from the outside: files, action inputs, the command line."""
