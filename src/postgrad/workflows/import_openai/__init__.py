"""Moving house from OpenAI: a user's fine-tuning jobs fetched, trained again on an open base, and compared with the old
models."""
