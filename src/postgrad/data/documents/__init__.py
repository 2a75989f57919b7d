"""Documents: the folder behind `--docs` as passages, and raw texts for continued pretraining."""
