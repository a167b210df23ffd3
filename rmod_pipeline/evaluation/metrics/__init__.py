"""Metrics of two one-shots, an estimate and the true one: how far apart they are, each in its own sense and unit."""

from rmod_pipeline.evaluation.metrics.catalogue import (
    METRICS,
    Metric,
    SoundAnalysis,
    analyse_sounds,
    compare_analyses,
    measure_all,
)
from rmod_pipeline.evaluation.metrics.envelopes import decay_error, envelope_error, transient_ratio_error
from rmod_pipeline.evaluation.metrics.spectra import centroid_error, log_mel_distance, mss

__all__ = [
    "METRICS",
    "Metric",
    "SoundAnalysis",
    "analyse_sounds",
    "centroid_error",
    "compare_analyses",
    "decay_error",
    "envelope_error",
    "log_mel_distance",
    "measure_all",
    "mss",
    "transient_ratio_error",
]
