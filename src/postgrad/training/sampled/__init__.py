"""What is sampled from a model while it is trained: answers, what is measured of them, what of them is trained."""
