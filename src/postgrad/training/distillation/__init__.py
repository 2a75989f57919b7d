"""Learning from a teacher: who it is and what it reads, what it makes of answers, and how far a student is from it."""
