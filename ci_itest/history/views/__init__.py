"""What the dashboard's pages show, read with a few statements each; every one asks for one repository alone."""
