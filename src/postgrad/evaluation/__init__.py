"""Evaluation: the arms, the metrics, the statistics and the test for forgetting."""
