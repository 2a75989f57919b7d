"""Similarity: which texts are the same or nearly so, which are one template, and what a model was trained on."""
