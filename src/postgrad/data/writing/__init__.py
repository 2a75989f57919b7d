"""Writing: records become files of a known shape, each row read back before it counts."""
