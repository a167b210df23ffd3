"""The table of metrics, and all of them in one pass.

metrics = measure_all(estimate, reference, 44_100)      # {"mss": [n], ...}

true = analyse_sounds(reference, 44_100)                       # once, for the answers of several systems
metrics = compare_analyses(analyse_sounds(estimate, 44_100), true)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rmod_pipeline.codec.spectral_distance import (
    WINDOWS,
    log_of_magnitudes,
    magnitudes,
    normalize_sounds,
    spectral_distance,
    squared_difference,
)
from rmod_pipeline.evaluation.metrics import envelopes, spectra
from rmod_pipeline.evaluation.metrics.sounds import (
    align_onsets,
    check_batch,
    compare_values,
    is_silent,
    require_equal_shapes,
)


class MetricFunction(Protocol):
    """A function that compares two batches of sounds."""

    def __call__(self, estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
        """Return the values [n] of sounds [n, samples] at a rate in Hz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of two sounds; lower is better, and 0 means equal in what the metric sees."""

    name: str
    unit: str
    """Empty for a number without a unit."""
    description: str
    function: MetricFunction


def _spectral_distance(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:  # noqa: ARG001
    return spectral_distance(check_batch(estimate), check_batch(reference))


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="mss",
            unit="",
            description="MSS: squared error of linear spectra, summed over FFT sizes from 2048 to 64",
            function=spectra.mss,
        ),
        Metric(
            name="spectral_distance",
            unit="(20 dB)²",
            description="squared error of log spectra, averaged over FFT sizes from 2048 to 64",
            function=_spectral_distance,
        ),
        Metric(
            name="log_mel_distance",
            unit="dB",
            description="log-spectral distance in 64 mel bands",
            function=spectra.log_mel_distance,
        ),
        Metric(
            name="envelope_error",
            unit="dB",
            description="error of the envelope in frames of 5 ms, from the onset on",
            function=envelopes.envelope_error,
        ),
        Metric(
            name="centroid_error",
            unit="octaves",
            description="error of the spectral centroid",
            function=spectra.centroid_error,
        ),
        Metric(
            name="decay_error",
            unit="doublings",
            description="error of the decay time T20",
            function=envelopes.decay_error,
        ),
        Metric(
            name="transient_ratio_error",
            unit="dB",
            description="error of the ratio of the first 20 ms and the rest",
            function=envelopes.transient_ratio_error,
        ),
    )
}
"""All metrics by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAnalysis:
    """What the metrics compare of a batch of sounds, so that a reference is analysed once for several systems."""

    spectra: tuple[Tensor, ...]
    """Magnitudes per FFT size: [n, bins, frames]."""
    log_spectra: tuple[Tensor, ...]
    mel: Tensor
    """[n, bands, frames] in dB."""
    envelope: Tensor
    """[n, frames] in dB."""
    centroid: Tensor
    """[n] in octaves."""
    decay: Tensor
    """[n] in doublings."""
    transient_ratio: Tensor
    """[n] in dB."""
    silent: Tensor
    """[n] bool."""


def analyse_sounds(sounds: Tensor, sample_rate: int) -> SoundAnalysis:
    """Analyse sounds [n, samples] float32 at a rate in Hz for all metrics; one sound at a time is fastest.

    Raises ValueError for NaN.
    """
    checked = check_batch(sounds)
    normalized, aligned = normalize_sounds(checked), align_onsets(checked)
    by_size = tuple(magnitudes(normalized, size) for size in WINDOWS)
    long = by_size[WINDOWS.index(spectra.LONG_WINDOW)]
    return SoundAnalysis(
        spectra=by_size,
        log_spectra=tuple(log_of_magnitudes(each, size) for each, size in zip(by_size, WINDOWS, strict=True)),
        mel=spectra.mel_levels(long, sample_rate),
        envelope=envelopes.envelope_levels(aligned, sample_rate),
        centroid=spectra.centroid_octaves(checked, sample_rate),
        decay=envelopes.decay_doublings(checked, sample_rate),
        transient_ratio=envelopes.transient_ratio_db(aligned, sample_rate),
        silent=is_silent(checked),
    )


def compare_analyses(estimate: SoundAnalysis, reference: SoundAnalysis) -> dict[str, Tensor]:
    """Return every metric [n] of ``METRICS`` by name. A reference of one sound is compared with all estimates."""
    silent = (estimate.silent, reference.silent)
    pairs = zip(estimate.spectra, reference.spectra, strict=True)
    return {
        "mss": torch.stack([spectra.squared_mean(one, other) for one, other in pairs]).sum(0),
        "spectral_distance": squared_difference(list(estimate.log_spectra), list(reference.log_spectra)),
        "log_mel_distance": spectra.compare_mel_levels(estimate.mel, reference.mel),
        "envelope_error": envelopes.compare_envelopes(estimate.envelope, reference.envelope),
        "centroid_error": compare_values(estimate.centroid, reference.centroid, silent, spectra.MOST_OCTAVES),
        "decay_error": compare_values(estimate.decay, reference.decay, silent, envelopes.MOST_DOUBLINGS),
        "transient_ratio_error": compare_values(
            estimate.transient_ratio, reference.transient_ratio, silent, 2 * envelopes.MOST_RATIO_DB
        ),
    }


def measure_all(estimate: Tensor, reference: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Return every metric [n] of ``METRICS`` by name, for sounds [n, samples] float32 at a rate in Hz.

    The values are those of the functions of the metrics, with their default options; what they share is computed once.
    Raises ValueError for shapes that differ and for NaN.
    """
    require_equal_shapes(estimate, reference)
    # One sound at a time: its spectra stay in the cache, which takes half the time of a batch of eight.
    pairs = zip(estimate.split(1), reference.split(1), strict=True)
    rows = [compare_analyses(*(analyse_sounds(sound, sample_rate) for sound in pair)) for pair in pairs]
    return {name: torch.cat([row[name] for row in rows]) if rows else estimate.new_zeros(0) for name in METRICS}
