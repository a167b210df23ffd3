"""Engines that render the chains of a whole pair at once, instead of one effect after another."""
