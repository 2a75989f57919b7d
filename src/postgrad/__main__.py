"""`python -m postgrad`."""

from postgrad.cli import entry

entry()
