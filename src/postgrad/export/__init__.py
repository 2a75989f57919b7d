"""Models leave the house: one file a format, and the parity gate that every one of them must pass."""
