"""One module for each schema after the first."""
