"""Arms: made, asked (here or over the network) and measured."""
