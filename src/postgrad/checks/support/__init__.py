"""What checks are made of: machinery that several of them share or that one is too long for. No check stands here."""
