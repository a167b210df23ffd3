"""Inspect data sets: verify them, render pairs again, find leakage between splits, report the status of a build."""
