"""Take the drum out of a mixture before a hit is cut: by median filters and bands, or by stems that the user brings.

Nothing here is trained. The percussive part is what changes fast in time and little over frequency (Fitzgerald 2010,
as librosa computes it); the band of a drum is a mask over frequency with soft edges.

Stems are what a separation program wrote for the same mixtures. For a mixture KEY and a kind such as kick, these names
are tried in this order, with the endings .wav and .flac:

    KEY.kick.wav   kick/KEY.wav   KEY/kick.wav      LarsNet (kick, snare, hihat), MDX23C DrumSep (kick, snare, hh)
    KEY.drums.wav  drums/KEY.wav  KEY/drums.wav     Demucs: one stem of all drums

In folders, KEY.mix may stand for KEY, because programs name their files after their input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import to_channels
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import AssetError
from rmod_pipeline.evaluation.systems.base import Mixture, MixtureMemory
from rmod_pipeline.library.read import read_sound, resample

FFT, HOP = 2048, 512
MARGIN = 1.0
"""Both parts add up to the mixture."""

BANDS: Mapping[str, tuple[float, float]] = {
    "kick": (25.0, 200.0),
    "snare": (150.0, 9_000.0),
    "hihat": (5_000.0, 20_000.0),
}
"""Frequencies in Hz that are kept of each drum; of any other kind, all."""
EDGE_OCTAVES = 0.5
"""Width of the edges of a band, in which its gain falls to zero."""
ENDINGS = (".wav", ".flac")
STEM_NAMES: Mapping[str, tuple[str, ...]] = {"hihat": ("hihat", "hh")}
"""Names of a kind's stem, where it has several."""
DRUMS = "drums"


class Separation(ABC):
    """A way to get the signal in which a drum is looked for."""

    @abstractmethod
    def separate(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the signal of a drum [samples], as long as the mixture; None if there is none."""


@dataclass(frozen=True, slots=True)
class NoSeparation(Separation):
    """The mixture as it is."""

    def separate(self, mixture: Mixture, kind: str) -> Mono | None:  # noqa: ARG002
        """Return the mixture."""
        return mixture.audio


@dataclass(frozen=True, slots=True)
class PercussiveSeparation(Separation):
    """The percussive part of a mixture, in the band of the drum if ``bands`` is set."""

    bands: bool
    percussive_part: MixtureMemory[NDArray[np.complex64]]
    """See ``compute_percussive_part``. It may be shared."""

    def separate(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the percussive part in the drum's band."""
        import librosa

        percussive = self.percussive_part(mixture)
        if self.bands and kind in BANDS:
            hz = np.fft.rfftfreq(FFT, 1 / mixture.sample_rate).astype(np.float64)
            percussive = percussive * make_band_mask(hz, *BANDS[kind])[:, None]
        sound: Mono = librosa.istft(percussive, hop_length=HOP, length=mixture.audio.size)
        return sound


def compute_percussive_part(mixture: Mixture) -> NDArray[np.complex64]:
    """Return the spectrum of the percussive part of a mixture: [bins, frames]."""
    import librosa

    spectrum = librosa.stft(mixture.audio, n_fft=FFT, hop_length=HOP)
    percussive: NDArray[np.complex64] = librosa.decompose.hpss(spectrum, margin=MARGIN)[1]
    return percussive


def make_band_mask(hz: NDArray[np.float64], low: float, high: float) -> NDArray[np.float32]:
    """Return gains 0..1 for frequencies [n] in Hz: 1 within the band, falling to 0 over ``EDGE_OCTAVES`` outside it."""
    octaves = np.log2(np.maximum(hz, 1e-3))
    outside = np.maximum(np.log2(low) - octaves, octaves - np.log2(high)).clip(0, EDGE_OCTAVES)
    mask: NDArray[np.float32] = (0.5 + 0.5 * np.cos(np.pi * outside / EDGE_OCTAVES)).astype(np.float32)
    return mask


@dataclass(frozen=True, slots=True)
class StemSeparation(Separation):
    """Stems of the mixtures in a folder."""

    folder: Path

    def separate(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the stem of a drum, or else that of all drums, at the mixture's rate; None if there is no file.

        Raises AssetError for a file that cannot be read, and for one that is shorter than the mixture.
        """
        path = self.find(mixture.key, kind)
        if path is None:
            return None
        audio, rate = read_sound(path)
        mono = resample(to_channels(audio, 1), rate, mixture.sample_rate)[0]
        # A program may cut the last frame; more than that is another mixture, or another length.
        if mono.size < mixture.audio.size - FFT:
            found = f"{mono.size / mixture.sample_rate:.2f} s, the mixture has"
            found = f"{found} {mixture.audio.size / mixture.sample_rate:.2f} s"
            raise AssetError(path, found, "separate the mixture of this pair, KEY.mix.wav in OUT/audio")
        fitted: Mono = np.pad(mono, (0, max(mixture.audio.size - mono.size, 0)))[: mixture.audio.size]
        return fitted

    def find(self, key: str, kind: str) -> Path | None:
        """Return the file of a drum's stem."""
        for name in (*STEM_NAMES.get(kind, (kind,)), DRUMS):
            stems = (f"{key}.{name}", f"{name}/{key}", f"{key}/{name}", f"{name}/{key}.mix", f"{key}.mix/{name}")
            for path in (self.folder / f"{stem}{ending}" for stem in stems for ending in ENDINGS):
                if path.is_file():
                    return path
        return None
