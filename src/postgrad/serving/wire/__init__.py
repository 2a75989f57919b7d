"""The wire: bodies of requests and responses, errors and pages as OpenAI's clients expect them."""
