"""Statistics: intervals, paired comparisons, tests that stop early, and the simplest rivals."""
