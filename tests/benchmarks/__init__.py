"""Tests of the scripts in benchmarks/ that users run."""
