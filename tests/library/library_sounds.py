"""Make sounds, folders of sounds and manifest rows for the tests of the library."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rmod_pipeline.audio import Audio
from rmod_pipeline.library.asset import Asset

RATE = 44_100


def hit(seed: int, seconds: float = 0.25, rate: int = RATE, channels: int = 1) -> Audio:
    """Return a drum-like sound [channels, frames]: a falling tone and a noise burst, different for each seed."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * (50 + 90 * random.random() + 60 * np.exp(-30 * time)) * time)
    noise = random.standard_normal((channels, len(time))) * np.exp(-(20 + 30 * random.random()) * time)
    audio = tone * np.exp(-8 * time) + 0.5 * noise
    return np.asarray(0.8 * audio / np.abs(audio).max(), np.float32)


def encode(audio: Audio, rate: int = RATE, file_format: str = "WAV", **options: Any) -> bytes:
    """Return the bytes of an audio file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format=file_format, **options)
    return buffer.getvalue()


def write_sound(path: Path, audio: Audio, rate: int = RATE, **options: Any) -> Path:
    """Write a sound to a file in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, **options)
    return path


def make_kits(folder: Path, kits: int = 6, kinds: tuple[str, ...] = ("kick", "snare"), per_kind: int = 2) -> None:
    """Fill a folder with kits of short, different hits."""
    seed = 0
    for kit in range(kits):
        for kind in kinds:
            for number in range(per_kind):
                seed += 1
                write_sound(folder / f"kit {kit}" / kind / f"{number}.wav", hit(seed, 0.1))


def asset(name: str = "kick/a", **changes: Any) -> Asset:
    """Return a manifest row; ``changes`` replace the default values."""
    row: dict[str, Any] = {
        "id": name,
        "path": f"{name}.wav",
        "kind": "kick",
        "kit": "one",
        "group": name,
        "split": "train",
        "licence": "CC0-1.0",
        "source": "here",
        "sha256": "0" * 64,
        "sample_rate": RATE,
        "channels": 1,
        "frames": 100,
        "peak_dbfs": -1.0,
        "rms_dbfs": -12.5,
    }
    return Asset(**(row | changes))
