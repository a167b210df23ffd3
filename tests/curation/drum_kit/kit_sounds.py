"""Sounds for the tests of kits: a kick, a snare and a hi-hat among noise, and folders of such files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import (
    DrumKit,
    PadSound,
    Rating,
    SoundPlace,
    SourceCounts,
    TunedCandidate,
    Tuning,
)
from tests.library.library_sounds import RATE, write_sound


def kick(seconds: float = 0.3) -> Audio:
    """Return a low tone that falls from 160 to 60 Hz: [1, samples]."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (60 * time + 100 / 40 * (1 - np.exp(-40 * time)))
    return np.asarray(0.9 * np.sin(phase) * np.exp(-14 * time), np.float32)[None]


def snare(seconds: float = 0.25) -> Audio:
    """Return a tone of 190 Hz under a band of noise: [1, samples]."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(1).standard_normal(time.size) * 0.25
    return np.asarray((0.7 * np.sin(2 * np.pi * 190 * time) + noise) * np.exp(-18 * time), np.float32)[None]


def hat(seconds: float = 0.12) -> Audio:
    """Return high noise: [1, samples]."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.diff(np.random.default_rng(2).standard_normal(time.size + 2), n=2)
    return np.asarray(0.2 * noise * np.exp(-35 * time), np.float32)[None]


DRUMS: Mapping[str, Callable[[], Audio]] = {"kick": kick, "snare": snare, "hihat_closed": hat}


def hide(sound: Audio, at: float, seconds: float, noise_db: float = -55.0, seed: int = 0) -> Audio:
    """Return a recording [1, samples] of quiet noise, with a sound at ``at`` seconds."""
    level = 10 ** (noise_db / 20)
    audio = np.random.default_rng(seed).standard_normal((1, round(seconds * RATE))).astype(np.float32) * level
    start = round(at * RATE)
    audio[:, start : start + sound.shape[1]] += sound
    return audio


def write_recordings(folder: Path) -> dict[str, tuple[str, float]]:
    """Write a recording per drum, and some of noise; return the file and the second of each drum by pad."""
    places = {}
    for number, (pad, make) in enumerate(DRUMS.items()):
        name, at = f"recording {number}.wav", 0.7 + 0.31 * number
        write_sound(folder / name, hide(make(), at, 2.0, seed=number))
        places[pad] = (name, at)
    for number in range(3):
        murmur = np.random.default_rng(90 + number).standard_normal((1, RATE)) * 0.01
        write_sound(folder / "noise" / f"{number}.flac", murmur.astype(np.float32))
    return places


def tuned(
    pad: str, sha256: str = "a" * 64, start: int = 0, frames: int = 1000, score: float = -1.0, **fields: object
) -> TunedCandidate:
    """Return a tuned candidate of a pad at a place."""
    place = SoundPlace(source=f"{sha256[:4]}.wav", sha256=sha256, sample_rate=RATE, start=start, frames=frames)
    embedding = fields.pop("embedding", np.array([1.0, 0.0, 0.0], np.float32))
    return TunedCandidate(
        pad=PADS[pad],
        found=place,
        place=place,
        tuning=Tuning(seconds=frames / RATE, semitones=0.0),
        rating=Rating(score=score, probability=float(np.exp(score)), drum=0.5),
        centre_hz=float(fields.pop("centre_hz", 1000.0)),  # type: ignore[arg-type]
        embedding=embedding,  # type: ignore[arg-type]
    )


def make_kit_of(
    pads: Mapping[str, int], *, round_robin: bool = False, name: str = "test kit", licence: str = "CC0-1.0"
) -> DrumKit:
    """Return a kit in memory with so many sounds per pad, which share the velocities."""
    sounds = []
    for number, (pad, count) in enumerate(pads.items()):
        for rank in range(1, count + 1):
            low, high = (rank - 1) * 127 // count + 1, rank * 127 // count
            sounds.append(
                PadSound(
                    pad=PADS[pad],
                    file=f"{pad}.wav" if rank == 1 else f"{pad}-{rank}.wav",
                    low_velocity=1 if round_robin else low,
                    high_velocity=127 if round_robin else high,
                    audio=kick(0.05 + 0.01 * rank),
                    gain_db=0.0,
                    candidate=tuned(pad, start=100_000 * number + 5_000 * rank),
                    licence=licence,
                    credit="somebody",
                )
            )
    return DrumKit(
        name=name,
        author="Ann",
        pads=tuple(PADS[pad] for pad in pads),
        sounds=tuple(sounds),
        round_robin=round_robin,
        counts=SourceCounts(files=3, used=2, sounds=9, unused=(("x.wav", "silent"),)),
        options={"seed": None},
    )
