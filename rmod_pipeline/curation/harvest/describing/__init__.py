"""Describe a hit by its levels, and tell one drum from several by them."""
