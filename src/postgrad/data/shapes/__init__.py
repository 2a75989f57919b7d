"""Shapes: rows become records, by a known shape or by columns that are chosen and said."""
