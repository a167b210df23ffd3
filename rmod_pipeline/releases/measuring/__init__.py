"""Measure the facts of a finished data set: from build.json, receipts and index, and from a sample of its sound."""

from rmod_pipeline.releases.measuring.measure import measure_facts

__all__ = ["measure_facts"]
