"""GGUF files: a model's settings, its tokenizer and its weights in the layout of llama.cpp."""
