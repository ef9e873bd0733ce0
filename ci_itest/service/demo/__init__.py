"""A made-up history to try the pages with: `ci-itest serve --demo`."""
