"""HTTP in tests: a client for the app, stubs for what lies outside, and nobody else out there."""
