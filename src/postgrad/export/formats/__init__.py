"""The formats in which models leave: one file each."""
