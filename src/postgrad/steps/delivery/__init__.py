"""What a registered model goes through before others are answered by it: the gate, its evidence, its lineage."""
