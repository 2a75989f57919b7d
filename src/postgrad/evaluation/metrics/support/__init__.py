"""What metrics are made of: the type, the spelling, readers of answers. No metric stands here."""
