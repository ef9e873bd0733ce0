"""`python -m ci_itest`."""

from ci_itest.cli.main import main

if __name__ == "__main__":
    main()
