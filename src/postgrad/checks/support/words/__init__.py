"""What checks know of words: languages, spelling, programs, names of people."""
