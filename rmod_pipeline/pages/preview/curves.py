"""Draw the frequency response of an equaliser."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rmod_pipeline.effects.equalizer import Band

WIDTH, HEIGHT = 132, 36
LOW_HZ, HIGH_HZ = 20.0, 20_000.0
SMALLEST_RANGE_DB = 3.0
"""Gain that fills the height of the picture, if no band has more."""


def draw_equalizer_curve(bands: Sequence[Band], sample_rate: int) -> Markup:
    """Draw the gain of bands in series over a logarithmic frequency axis from 20 Hz to 20 kHz."""
    hz = np.geomspace(LOW_HZ, min(HIGH_HZ, sample_rate / 2.01), 96)
    gains = sum((band_gain_db(band, hz, sample_rate) for band in bands), start=np.zeros_like(hz))
    range_db = max(SMALLEST_RANGE_DB, float(np.abs(gains).max()))
    x_positions = np.linspace(0, WIDTH, len(hz))
    y_positions = HEIGHT / 2 - gains / range_db * (HEIGHT / 2 - 2)
    points = " ".join(f"{x:.1f} {y:.1f}" for x, y in zip(x_positions, y_positions, strict=True))
    return Markup(
        '<svg class="curve" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img">'
        "<title>gain from 20 Hz to 20 kHz, at most {2:.1f} dB from zero</title>"
        '<path class="zero" d="M0 {3}H{0}"/><path class="gain" d="M{4}"/></svg>'
    ).format(WIDTH, HEIGHT, float(np.abs(gains).max()), HEIGHT / 2, points)


def band_gain_db(band: Band, hz: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Return a band's gain in dB [frequencies] at frequencies in Hz. Source: Bristow-Johnson, Audio EQ Cookbook."""
    numerator, denominator = _biquad(band, sample_rate)
    inverse_z = np.exp(-2j * np.pi * hz / sample_rate)
    return 20 * np.log10(np.abs(np.polyval(numerator[::-1], inverse_z) / np.polyval(denominator[::-1], inverse_z)))


def _biquad(band: Band, sample_rate: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the coefficients of 1, 1/z, 1/z^2 in the numerator and in the denominator of the transfer function."""
    amplitude = 10 ** (band.gain_db / 40)
    angle = 2 * math.pi * band.hz / sample_rate
    cosine, alpha = math.cos(angle), math.sin(angle) / (2 * band.q)
    if band.shape == "peak":
        up, down = alpha * amplitude, alpha / amplitude
        return (1 + up, -2 * cosine, 1 - up), (1 + down, -2 * cosine, 1 - down)
    # The high shelf mirrors the low shelf in frequency: the cosine changes its sign.
    side = 1.0 if band.shape == "low_shelf" else -1.0
    plus, minus, root = amplitude + 1, amplitude - 1, 2 * math.sqrt(amplitude) * alpha
    mirrored = side * cosine
    return (
        (
            amplitude * (plus - minus * mirrored + root),
            side * 2 * amplitude * (minus - plus * mirrored),
            amplitude * (plus - minus * mirrored - root),
        ),
        (plus + minus * mirrored + root, side * -2 * (minus + plus * mirrored), plus + minus * mirrored - root),
    )
