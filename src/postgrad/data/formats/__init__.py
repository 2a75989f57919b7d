"""Formats: how the content of a file becomes rows, one format a file."""
