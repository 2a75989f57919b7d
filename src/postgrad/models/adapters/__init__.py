"""Adapters: what a training adds to a base (low rank, quantised base, whole weights): attached, saved, loaded."""
