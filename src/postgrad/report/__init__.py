"""The report's words: everything measured in a run, a comparison or a check, as files keep it."""
