"""Hear what kind of drum a one-shot is: network, checkpoint, answers. Its training is in training/classification."""
