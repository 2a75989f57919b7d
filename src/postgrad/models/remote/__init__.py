"""Remote: models at any OpenAI-compatible address, asked patiently and within a budget."""
