"""Weights of a training over its time: where it begins, its checkpoints, and which of them are its result."""
