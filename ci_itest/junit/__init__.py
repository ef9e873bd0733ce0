"""JUnit XML in and out."""
