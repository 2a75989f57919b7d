"""Serving: base and tuned models behind OpenAI's HTTP interface."""
