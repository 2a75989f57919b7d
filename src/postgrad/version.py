"""The version, in a file of its own: reports name it, and the package's door, which opens everything else, shows it."""

__version__ = "0.1.0"
