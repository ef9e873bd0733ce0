"""The test bench: a Docker engine, a loopback registry and service images on a bare Debian or Ubuntu machine.

Standard library only, and nothing of ci_itest: it runs before any virtual environment exists.
Start it with `python3 -m tests.bench up` from the repository's root; README.md beside this file says the rest.
"""
