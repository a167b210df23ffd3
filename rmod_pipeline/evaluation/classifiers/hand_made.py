"""Compute hand-made features of a sound, as classifiers of one-shots had them before networks.

Mel-frequency cepstral coefficients, centroid, bandwidth, rolloff, flatness and zero crossings over frames, each by its
mean and spread; the shares of energy in nine bands; attack, decay, transient and length.
"""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import torch
from numpy.typing import NDArray

from rmod_pipeline.classification.levels import normalize_beginning
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.evaluation.metrics.envelopes import decay_doublings, envelope_levels, transient_ratio_db
from rmod_pipeline.evaluation.metrics.sounds import align_onsets, check_batch
from rmod_pipeline.evaluation.metrics.spectra import centroid_octaves

RATE = 44_100
SECONDS = 3.0
"""Only the beginning of a sound is measured."""
WINDOW, HOP = 2048, 512
COEFFICIENTS = 20
BAND_EDGES_HZ = (0, 60, 120, 250, 500, 1000, 2000, 4000, 8000, RATE / 2)
FLOOR_DB = -80.0
_TINY = 1e-10

_FRAME_FEATURES = ("centroid", "bandwidth", "rolloff", "flatness", "zero_crossings")
NAMES = (
    *(f"mfcc_{number}_{word}" for word in ("mean", "spread", "change") for number in range(COEFFICIENTS)),
    *(f"{name}_{word}" for word in ("mean", "spread") for name in _FRAME_FEATURES),
    *(f"band_{number}_db" for number in range(len(BAND_EDGES_HZ) - 1)),
    *("attack", "fall", "decay", "transient_db", "centroid_octaves", "crest_db", "length"),
)
"""Names of the features, in order."""


def compute_hand_made(sound: Mono) -> NDArray[np.float32]:
    """Return the features [len(NAMES)] of a sound [samples] at 44,100 Hz that begins at its onset.

    The level has no influence, silence has features too. Raises ValueError for NaN and infinite samples.
    """
    beginning = _prepare(sound)
    values = np.concatenate([_describe_frames(beginning), _describe_bands(beginning), _describe_envelope(beginning)])
    features: NDArray[np.float32] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return features


def _prepare(sound: Mono) -> Mono:
    """Return the beginning of a sound with a peak of 1, without its quiet end, padded to one window."""
    beginning = normalize_beginning(sound[: round(SECONDS * RATE)])
    return np.pad(beginning, (0, max(WINDOW - beginning.size, 0))).astype(np.float32)


def _describe_frames(beginning: Mono) -> NDArray[np.float64]:
    """Return statistics over frames: of the cepstrum, of the shape of the spectrum, of zero crossings."""
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty mel bands and of silence
        magnitudes = np.abs(librosa.stft(beginning, n_fft=WINDOW, hop_length=HOP)) + _TINY
        mel = librosa.feature.melspectrogram(S=magnitudes**2, sr=RATE, n_mels=64)
        cepstrum = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=-FLOOR_DB), n_mfcc=COEFFICIENTS)
        frames = np.concatenate(
            [
                np.log2(librosa.feature.spectral_centroid(S=magnitudes, sr=RATE) + 20),
                np.log2(librosa.feature.spectral_bandwidth(S=magnitudes, sr=RATE) + 20),
                np.log2(librosa.feature.spectral_rolloff(S=magnitudes, sr=RATE) + 20),
                np.log10(librosa.feature.spectral_flatness(S=magnitudes)),
                _count_zero_crossings(beginning)[:, : magnitudes.shape[1]],
            ]
        )
    change = np.abs(np.diff(cepstrum, axis=1)).mean(1) if cepstrum.shape[1] > 1 else np.zeros(COEFFICIENTS)
    return np.concatenate([cepstrum.mean(1), cepstrum.std(1), change, frames.mean(1), frames.std(1)])


def _count_zero_crossings(sound: Mono) -> NDArray[np.float64]:
    """Return the share of samples whose sign is another than that of the one before, per frame: [1, frames].

    librosa's function of that name does the same. It is compiled and stored by numba, and a file that numba has stored
    badly ends the process.
    """
    padded = np.pad(sound, WINDOW // 2, mode="edge")
    changes = np.diff(np.signbit(padded), prepend=np.signbit(padded[:1])).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(changes, WINDOW)[::HOP]
    shares: NDArray[np.float64] = frames.mean(1)[None]
    return shares


def _describe_bands(beginning: Mono) -> NDArray[np.float64]:
    """Return the share of the energy in each band, in dB."""
    energy = np.abs(np.fft.rfft(beginning.astype(np.float64))) ** 2
    frequencies = np.fft.rfftfreq(beginning.size, 1 / RATE)
    places = np.searchsorted(frequencies, BAND_EDGES_HZ)
    sums = np.array([energy[start:end].sum() for start, end in itertools.pairwise(places)])
    shares = sums / max(energy.sum(), _TINY)
    decibels: NDArray[np.float64] = np.maximum(10 * np.log10(shares + _TINY), FLOOR_DB)
    return decibels


def _describe_envelope(beginning: Mono) -> NDArray[np.float64]:
    """Return attack and fall to -20 dB, decay time, transient, centroid, crest and length; times are logarithmic."""
    batch = check_batch(torch.from_numpy(beginning[None]))
    aligned = align_onsets(batch)
    levels = envelope_levels(aligned, RATE)[0].numpy()
    loudest = int(levels.argmax())
    quiet = np.flatnonzero(levels[loudest:] < -20)
    fall = int(quiet[0]) if quiet.size else levels.size - loudest
    crest = 20 * math.log10(1 / max(float(np.sqrt(np.mean(beginning**2))), 1e-6))
    return np.array(
        [
            math.log2(loudest + 1),
            math.log2(fall + 1),
            float(decay_doublings(batch, RATE)),
            float(transient_ratio_db(aligned, RATE)),
            float(centroid_octaves(batch, RATE)),
            crest,
            math.log2(beginning.size / RATE),
        ]
    )
