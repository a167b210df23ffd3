"""Measure the mean spectrum of the one-shots of each kind, over a sample of pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.reading.pairs import read_pair
from rmod_pipeline.releases.facts import SpectrumFacts
from rmod_pipeline.shards.members import decode_audio, find_audio_member
from rmod_pipeline.storage import Location

SPECTRUM_PAIRS = 200
"""Pairs whose one-shots are measured, at most."""

_BANDS_PER_OCTAVE = 3
_LOWEST_HZ = 31.25
_FLOOR_DB = -120.0


def band_centres(sample_rate: int) -> NDArray[np.float64]:
    """Return the centres of the bands in Hz [bands], a third of an octave each, up to half the sample rate."""
    octaves = np.log2(sample_rate / 2 / _LOWEST_HZ)
    count = int(np.floor(octaves * _BANDS_PER_OCTAVE - 0.5)) + 1
    return np.asarray(_LOWEST_HZ * 2.0 ** (np.arange(count) / _BANDS_PER_OCTAVE))


def measure_bands(mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Return the share of the power of a sound [samples] in each band [bands]; zeros for silence."""
    power = np.abs(np.fft.rfft(mono.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(mono), 1 / sample_rate)
    centres = band_centres(sample_rate)
    half = 2.0 ** (0.5 / _BANDS_PER_OCTAVE)
    edges = np.concatenate([centres / half, centres[-1:] * half])
    sums = np.histogram(hz, bins=edges, weights=power)[0]
    total = power.sum()
    return np.asarray(sums / total) if total > 0 else np.zeros(len(centres))


def measure_spectra(
    out: Location, keys: Sequence[str], kinds: Sequence[str], sample_rate: int
) -> tuple[SpectrumFacts, ...]:
    """Return the mean spectrum of each kind's one-shots in some pairs. Raises ShardError for a damaged pair."""
    sums, counts = dict[str, NDArray[np.float64]](), defaultdict[str, int](int)
    for key in keys:
        members = read_pair(out, key).members
        for kind in kinds:
            name = find_audio_member(members, kind)
            if name is not None:
                mono = from_pcm(decode_audio(members[name], f"{key}.{name}")[0]).mean(axis=0)
                bands = measure_bands(mono, sample_rate)
                sums[kind] = sums[kind] + bands if kind in sums else bands
                counts[kind] += 1
    hz = tuple(float(centre) for centre in band_centres(sample_rate))
    return tuple(
        SpectrumFacts(kind=kind, one_shots=counts[kind], hz=hz, level_db=_to_db(sums[kind] / counts[kind]))
        for kind in kinds
        if kind in sums
    )


def _to_db(share: NDArray[np.float64]) -> tuple[float, ...]:
    level = 10 * np.log10(np.maximum(share, 10 ** (_FLOOR_DB / 10)))
    return tuple(round(float(value), 2) for value in level)
