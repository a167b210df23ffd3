"""Compute log-mel spectrograms as bytes: two window lengths, one frame per hop of the codec.

A long window separates the notes of the bass from a kick, a short one shows where a hit begins. Frame t is centred on
sample t * hop + hop / 2. So it describes the same samples as token frame t of a codec with that hop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.window import Mono

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MelLevels = NDArray[np.uint8]
"""[windows, bands, frames]: levels in steps of ``LogMel.step_db`` above ``LogMel.floor_db``."""

FORMAT = "log-mel-1"
"""Name of the computation; a change of it that alters the levels gets another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMel:
    """The definition of a log-mel spectrogram; equal definitions give equal bytes on one kind of processor."""

    sample_rate: int = 44_100
    """Samples per second."""
    hop: int = 512
    """Samples per frame; that of the codec's tokens."""
    windows: tuple[int, ...] = (4096, 1024)
    """Window lengths in samples; an even number each."""
    bands: int = 64
    """Mel bands per window."""
    lowest_hz: float = 30.0
    highest_hz: float = 16_000.0
    floor_db: float = -100.0
    """Level of byte 0, relative to a full-scale sine; everything quieter has this level too."""
    step_db: float = 0.5
    """Difference of level per step of a byte."""

    @property
    def name(self) -> str:
        """The name with a short hash of the definition, such as ``mel-1a2b3c4d``; it names the folder."""
        return f"mel-{hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as JSON; its levels are ``floor_db + step_db * byte``."""
        return {"format": FORMAT, **asdict(self), "windows": list(self.windows)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LogMel:
        """Return a definition from its JSON. Raises ValueError for one that this rmod does not compute."""
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        expected = cls().to_dict()
        for name in sorted({*content, *expected}):
            if name not in expected or name not in content:
                raise ValueError(f"{name} is {'missing' if name in expected else 'unknown'}")
            if type(content[name]) is not type(expected[name]):
                raise ValueError(f"{name} is {content[name]!r}")
        windows = content["windows"]
        counts = [content["sample_rate"], content["hop"], content["bands"], *windows]
        if not windows or not all(type(count) is int and count > 0 for count in counts):
            raise ValueError("sample rate, hop, bands and windows are not all positive whole numbers")
        values = {name: content[name] for name in expected if name not in ("format", "windows")}
        return cls(**values, windows=tuple(windows))

    def compute(self, audio: Mono) -> MelLevels:
        """Return the levels of audio [frames * hop]: uint8 [windows, bands, frames].

        Before and after the audio there is silence. Raises ValueError for a length that is not a multiple of the hop.
        """
        if audio.size % self.hop:
            raise ValueError(f"{audio.size} samples are not a multiple of the hop of {self.hop}")
        return np.stack([self._compute_window(audio, window) for window in self.windows])

    def _compute_window(self, audio: Mono, window: int) -> NDArray[np.uint8]:
        """Return the levels of one window length: [bands, frames]."""
        transform = max(2048, window)  # zero padding gives a short window enough bins for the lowest bands
        before = window // 2 - self.hop // 2
        padded = np.pad(audio, (max(before, 0), window))[max(-before, 0) :]
        frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: self.hop][: audio.size // self.hop]
        spectrum = np.fft.rfft(frames * _hann(window), transform, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        mel = _mel_filters(self.sample_rate, transform, self.bands, self.lowest_hz, self.highest_hz) @ power.T
        decibels = 10 * np.log10(np.maximum(mel, 1e-12))
        levels: NDArray[np.uint8] = np.clip(np.rint((decibels - self.floor_db) / self.step_db), 0, 255).astype(np.uint8)
        return levels

    def band_widths(self) -> NDArray[np.float64]:
        """Return the widths of the bands in Hz, each between the centres of its two neighbours: [bands]."""
        import librosa

        centres = librosa.mel_frequencies(self.bands + 2, fmin=self.lowest_hz, fmax=self.highest_hz)
        widths: NDArray[np.float64] = centres[2:] - centres[:-2]
        return widths

    def to_decibels(self, levels: MelLevels) -> NDArray[np.float32]:
        """Return levels in dB relative to a full-scale sine, float32 of the same shape."""
        decibels: NDArray[np.float32] = levels * np.float32(self.step_db) + np.float32(self.floor_db)
        return decibels


@cache
def _hann(window: int) -> NDArray[np.float32]:
    """Return a periodic Hann window whose spectrum of a full-scale sine has a magnitude of 1."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    scaled: NDArray[np.float32] = (hann * (2 / hann.sum())).astype(np.float32)
    return scaled


@cache
def _mel_filters(sample_rate: int, transform: int, bands: int, lowest_hz: float, highest_hz: float) -> csr_array:
    """Return the weights of each band: [bands, transform // 2 + 1].

    Sparse, because most weights are 0, and because its product adds in one order whatever the number of threads.
    """
    import librosa
    from scipy.sparse import csr_array

    filters = librosa.filters.mel(
        sr=sample_rate, n_fft=transform, n_mels=bands, fmin=lowest_hz, fmax=min(highest_hz, sample_rate / 2), norm=None
    )
    return csr_array(filters.astype(np.float32))
