"""One module a test runner, behind one protocol."""
