"""Checks and reports on data sets: verify, re-render, leakage, status."""
