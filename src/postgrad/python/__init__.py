"""The Python API: what `import postgrad as pg` gives. The names are in `postgrad/__init__.py`, loaded when used."""
