"""Make folders of pairs so small that they are imported in a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from rmod_pipeline import api

RATE = 8_000
SECONDS = 0.5
FRAMES = round(RATE * SECONDS)
HITS = {"kick": (0, 2_000), "snare": (1_003,)}
"""Frames of the hits in every mixture."""
KEYS = ("1", "2", "10")

Name = Callable[[str, str], str]
"""The path of a file, given the key of its pair and its sound."""

LAYOUTS: Mapping[str, Name] = {
    "a full stop": lambda key, sound: f"{key}.{sound}.wav",
    "an underscore": lambda key, sound: f"{key}_{sound}.wav",
    "a folder per sound": lambda key, sound: f"{sound}/{key}.wav",
    "a folder per pair": lambda key, sound: f"{key}/{sound}.wav",
    "other words": lambda key, sound: (
        f"wavs/{key}_{ {'mix': 'mixed', 'kick': 'BD', 'snare': 'Snare-Drum'}[sound] }.wav"
    ),
}


def make_sounds(seed: int) -> dict[str, NDArray[np.int16]]:
    """Return 16-bit sounds [frames, channels] of a pair: a mixture of two decaying sounds and noise."""
    random = np.random.default_rng(seed)
    decay = np.exp(-np.arange(800) / 150)
    kick = decay * np.sin(np.arange(800) * (0.05 + 0.01 * seed))
    snare = decay * random.standard_normal(800) * 0.3
    mix = random.standard_normal((FRAMES, 2)) * 0.01
    for sound, onsets in ((kick, HITS["kick"]), (snare, HITS["snare"])):
        for onset in onsets:
            mix[onset : onset + 800] += 0.5 * sound[:, None]
    sounds = {"mix": mix, "kick": kick[:, None], "snare": np.stack([snare, -0.5 * snare], axis=1)}
    return {name: np.rint(np.clip(audio, -1, 1) * 32_000).astype(np.int16) for name, audio in sounds.items()}


def write_sound(path: Path, audio: NDArray[np.generic], rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """Write a sound [frames, channels], with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


def write_pairs(root: Path, layout: str = "a full stop", keys: tuple[str, ...] = KEYS) -> Path:
    """Write pairs of a mixture, a kick and a snare, and return the folder."""
    for key in keys:
        for sound, audio in make_sounds(int(key)).items():
            write_sound(root / LAYOUTS[layout](key, sound), audio)
    return root


def import_tiny(root: Path, out: Path, **options: object) -> api.ImportResult:
    """Import a folder at the rate and length of its pairs."""
    settings = {"sample_rate": RATE, "seconds": SECONDS, "shard_size": 2, "progress": False, **options}
    return api.import_pairs(root, out=out, **settings)  # type: ignore[arg-type]
