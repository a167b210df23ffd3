"""Draw a sound: its waveform as SVG, its mel spectrogram as a small PNG."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from rmod_pipeline.audio import Audio
from rmod_pipeline.pages.preview.sounds import data_uri

WAVE_HEIGHT = 200
"""Height of a waveform from full scale to full scale, in the units of its view box."""

FFT, HOP, MELS = 2048, 256, 96
LOW_HZ, HIGH_HZ = 30.0, 16_000.0
RANGE_DB = 62.0
"""Range from the darkest colour to the loudest point of a picture."""
SHADES = 64
"""Number of colours of a spectrogram; more of them make a larger file and no visible difference."""

_LABELLED_HZ = (("8k", 8000.0), ("2k", 2000.0), ("500", 500.0))

ANCHOR_COLOURS = ("#0d0e14", "#1e1c3c", "#4a2b63", "#8b3b6c", "#cd5f58", "#eda55f", "#fbeac0")
"""Colours from quiet to loud, interpolated linearly in OKLab, so that equal steps look equal."""


def draw_waveform(audio: Audio, columns: int) -> Markup:
    """Draw the peaks and the RMS of audio [channels, frames] as an SVG that stretches to its box.

    At most ``columns`` columns. Both channels are combined, because the page shows level over time, not panning.
    """
    columns = max(1, min(columns, audio.shape[1]))
    edges = np.linspace(0, audio.shape[1], columns + 1).astype(int)[:-1]
    if audio.shape[1] == 0:
        audio = np.zeros((1, 1), np.float32)
    tops = np.maximum.reduceat(audio.max(axis=0), edges)
    bottoms = np.minimum.reduceat(audio.min(axis=0), edges)
    power = np.add.reduceat((audio.astype(np.float64) ** 2).mean(axis=0), edges)
    lengths = np.diff(np.append(edges, audio.shape[1]))
    level = np.sqrt(power / np.maximum(lengths, 1))
    return Markup(
        '<svg class="wave" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="peaks" d="{}"/><path class="level" d="{}"/></svg>'
    ).format(columns, WAVE_HEIGHT, _outline(tops, bottoms), _outline(level, -level))


def _outline(tops: NDArray[np.floating], bottoms: NDArray[np.floating]) -> str:
    """Return the closed path along the tops and back along the bottoms, at least one unit high."""
    middle = WAVE_HEIGHT / 2
    upper = np.rint(middle - np.clip(tops, 0, 1) * middle - 0.5).astype(int)
    lower = np.rint(middle - np.clip(bottoms, -1, 0) * middle + 0.5).astype(int)
    forth = " ".join(f"{x} {y}" for x, y in enumerate(upper))
    back = " ".join(f"{x} {y}" for x, y in reversed(list(enumerate(lower))))
    return f"M{forth} {len(upper)} {upper[-1]} {len(upper)} {lower[-1]} {back}Z"


def draw_mel_spectrogram(audio: Audio, sample_rate: int) -> str:
    """Return the mel spectrogram of audio [channels, frames] as the data URI of a PNG, bass at the bottom."""
    levels = compute_mel_levels(audio.mean(axis=0), sample_rate)
    floor = max(float(levels.max()), -60.0) - RANGE_DB
    shades = np.clip((levels - floor) / RANGE_DB, 0, 1) * (SHADES - 1)
    picture = Image.fromarray(np.rint(shades).astype(np.uint8)[::-1], mode="P")
    picture.putpalette(spectrogram_palette().tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return data_uri(file.getvalue(), "image/png")


def compute_mel_levels(mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Return levels in dB [MELS, frames / HOP + 1] of mono [frames]; windows are centred on multiples of HOP."""
    padded = np.pad(mono, FFT // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP] * np.hanning(FFT + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(mel_filters(sample_rate) @ power.T, 1e-12))
    return levels


@cache
def mel_filters(sample_rate: int) -> NDArray[np.float64]:
    """Return triangular filters of equal height [MELS, FFT / 2 + 1], evenly spaced in mel (O'Shaughnessy 1987).

    Not librosa's, because importing librosa takes longer than making the page.
    """
    high = min(HIGH_HZ, sample_rate / 2)
    corners = mel_to_hz(np.linspace(hz_to_mel(LOW_HZ), hz_to_mel(high), MELS + 2))
    bins = np.fft.rfftfreq(FFT, 1 / sample_rate)
    # Below 300 Hz a triangle is narrower than a bin of the FFT. It is widened to one bin, so that it is not empty.
    width = sample_rate / FFT
    below = np.maximum(corners[1:-1] - corners[:-2], width)[:, None]
    above = np.maximum(corners[2:] - corners[1:-1], width)[:, None]
    distance = bins[None, :] - corners[1:-1, None]
    filters: NDArray[np.float64] = np.clip(1 - np.where(distance < 0, -distance / below, distance / above), 0, None)
    return filters


def hz_to_mel(hz: float) -> float:
    """Return a frequency in mel."""
    return float(2595 * np.log10(1 + hz / 700))


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return frequencies in Hz."""
    return 700 * (10 ** (mel / 2595) - 1)


def mel_frequency_labels(sample_rate: int) -> tuple[tuple[str, float], ...]:
    """Return the frequency labels beside the picture as texts and heights, from 0 at the bottom to 1 at the top."""
    return tuple((text, mel_height(hz, sample_rate)) for text, hz in _LABELLED_HZ)


def mel_height(hz: float, sample_rate: int) -> float:
    """Return the height of a frequency in the picture, from 0 at the bottom to 1 at the top."""
    low, high = hz_to_mel(LOW_HZ), hz_to_mel(min(HIGH_HZ, sample_rate / 2))
    return (hz_to_mel(hz) - low) / (high - low)


@cache
def spectrogram_palette() -> NDArray[np.uint8]:
    """Return the palette [SHADES, 3] of sRGB bytes, from quiet to loud."""
    anchors = np.array([_hex_to_oklab(colour) for colour in ANCHOR_COLOURS])
    positions = np.linspace(0, len(ANCHOR_COLOURS) - 1, SHADES)
    lab = np.stack([np.interp(positions, np.arange(len(ANCHOR_COLOURS)), axis) for axis in anchors.T], axis=1)
    return np.rint(_oklab_to_srgb(lab) * 255).astype(np.uint8)


# OKLab (Ottosson 2020): the matrix to cone responses, and the matrix from their cube roots to an opponent space.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OPPONENT = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _hex_to_oklab(colour: str) -> NDArray[np.float64]:
    encoded = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = _OPPONENT @ np.cbrt(_CONES @ linear)
    return lab


def _oklab_to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sRGB [colours, 3] from 0 to 1 for OKLab [colours, 3]."""
    linear = np.clip((lab @ np.linalg.inv(_OPPONENT).T) ** 3 @ np.linalg.inv(_CONES).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
