"""Decision: what the measurements mean for the person who has to choose. Pure policy, without I/O."""
