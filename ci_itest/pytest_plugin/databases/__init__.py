"""A database for each worker: made from a prepared template, brought back after each test, asked in plain words."""
