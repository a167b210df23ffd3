"""Pairs -> tar, index, receipt; and back."""
