"""Generation: ids in, answers out; in batches, in turn, under a grammar; and the likelihood of given answers."""
