"""OpenAI's fine-tuning jobs without their server: hyperparameters and training files, for the server and the import
alike."""
