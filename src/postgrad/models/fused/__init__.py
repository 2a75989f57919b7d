"""Fused: hand-written forward and backward of Llama-shaped bodies. The same numbers, less memory and time."""
