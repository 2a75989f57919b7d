"""Access: who asks, what they may, how much, and the audit trail."""
