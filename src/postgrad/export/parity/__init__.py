"""The parity gate: what leaves the house answers as it was trained, or it does not leave."""
