"""Rendering: a conversation becomes token ids and loss weights, in one place for every use."""
