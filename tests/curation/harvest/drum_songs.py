"""Songs made of synthetic hits, whose attacks are known to the sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio
from rmod_pipeline.classification.results import ClassGuess, Classification
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.extraction.listening.song import Song, song_from_array

RATE = 44_100
KINDS = ("kick", "snare", "hihat")


def make_hit(kind: str, rate: int = RATE, seed: int = 0) -> Mono:
    """Return a hit [samples] with a peak of 0.5 whose first sample is its attack."""
    noise = np.random.default_rng(seed).standard_normal(round(0.4 * rate))
    time = np.arange(noise.size) / rate
    if kind == "kick":
        sound = np.sin(2 * np.pi * (50 * time + 6 * (1 - np.exp(-40 * time))) + 0.5) * np.exp(-22 * time)
        sound += 0.3 * noise * np.exp(-400 * time)
    elif kind == "snare":
        sound = noise * np.exp(-40 * time) + np.sin(2 * np.pi * 190 * time) * np.exp(-30 * time)
    else:
        sound = np.diff(noise, prepend=0.0) * np.exp(-60 * time)
    sound[0] = max(abs(sound[0]), 0.1 * np.abs(sound).max())
    hit: Mono = (0.5 * sound / np.abs(sound).max()).astype(np.float32)
    return hit


def place(hits: Sequence[tuple[int, Mono, float]], frames: int, noise_db: float | None = None) -> Audio:
    """Return audio [1, frames] with hits (frame, sound, gain), and noise at a level relative to full scale."""
    audio = np.zeros(frames, np.float32)
    for start, sound, gain in hits:
        length = min(sound.size, frames - start)
        audio[start : start + length] += np.float32(gain) * sound[:length]
    if noise_db is not None:
        audio += np.float32(10 ** (noise_db / 20)) * np.random.default_rng(5).standard_normal(frames).astype(np.float32)
    return audio[None]


def song_of(audio: Audio, rate: int = RATE, block: int | None = None) -> Song:
    """Return audio as a song, which is read in blocks of ``block`` frames."""
    song = song_from_array(audio, rate)
    if block is None:
        return song

    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, audio.shape[1], block):
            yield audio[:, start : start + block].T

    return replace(song, blocks=blocks)


def write_song(path: Path, audio: Audio, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """Write audio [channels, frames] as a WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


def make_loop(seed: int, kinds: Sequence[str] = KINDS, gap: float = 0.5, rate: int = RATE) -> Audio:
    """Return a loop in which each kind is hit twice, every ``gap`` seconds, at two levels."""
    step = round(gap * rate)
    order = [*kinds, *kinds]
    hits = [
        (round(0.1 * rate) + number * step, make_hit(kind, rate, seed * 100 + KINDS.index(kind)), 1.0 - 0.04 * number)
        for number, kind in enumerate(order)
    ]
    return place(hits, round(0.2 * rate) + len(order) * step)


class FakeClassifier:
    """A classifier that knows the synthetic hits by how fast they change sign."""

    source: ClassVar[dict[str, str]] = {"file": "fake.pth", "sha256": "ab" * 32}

    def classify(self, sounds: Sequence[Mono]) -> list[Classification]:
        """Return kick, snare or open hi-hat, certain of all but the snare."""
        return [self._classify(sound) for sound in sounds]

    @staticmethod
    def _classify(sound: Mono) -> Classification:
        crossings = float((np.diff(np.sign(sound[:2000])) != 0).mean())
        kind, subkind = ("kick", "") if crossings < 0.1 else ("snare", "") if crossings < 0.55 else ("hihat", "open")
        guesses = (
            ClassGuess(kind=kind, subkind=subkind, confidence=0.9),
            ClassGuess(kind="tom", subkind="", confidence=0.1),
        )
        return Classification(guesses=guesses, is_certain=kind != "snare", embedding=np.full(4, 0.5, np.float32))


class FakeChoice:
    """Says that the fake classifier is to be used."""

    def open(self) -> FakeClassifier:
        """Return the fake classifier."""
        return FakeClassifier()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FakeChoice)

    def __hash__(self) -> int:
        return 7
