"""What answers are worth in the benchmarks of reinforcement: quick to compute and never alike for a whole group."""


def digits(answer: str) -> float:
    """The share of digits among the characters."""
    return sum(c.isdigit() for c in answer) / max(1, len(answer))
