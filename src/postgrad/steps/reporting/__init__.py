"""What was measured, put into reports: pairs of answers, tables, advice."""
