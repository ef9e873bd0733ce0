"""The words of the domain as frozen dataclasses; standard library only."""
