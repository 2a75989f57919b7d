"""The API: one router a concept, at OpenAI's paths."""
