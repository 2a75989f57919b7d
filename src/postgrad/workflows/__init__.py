"""Workflows: the whole stories, one a file: run (read this first), evaluate, compare, train, check, augment,
import_openai."""
