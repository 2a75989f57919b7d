"""Inference: names to models, requests to prompts, prompts to answers that grow in turn."""
