"""Training a model in a job: its records, its budget, what it costs to know, and the kept result."""
