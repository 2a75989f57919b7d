"""Jobs: trainings and evaluations that wait, run and end once, whatever is killed meanwhile."""
