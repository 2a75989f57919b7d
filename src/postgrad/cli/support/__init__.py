"""What commands share: their door, their display, and options that several have."""
