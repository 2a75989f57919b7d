"""Split: who trains, who chooses, who tests; fixed by content and seed."""
