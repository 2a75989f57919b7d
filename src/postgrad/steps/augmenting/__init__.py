"""Models that write and judge examples, and examples made from documents or from a description."""
