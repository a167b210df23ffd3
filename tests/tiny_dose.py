"""Songs with drums at known times, and models that have learned what to extract from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rmod_pipeline.codec import Codec, open_codec
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, write_checkpoint
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, LossSettings
from tests.tiny_codec import save_tiny

RATE = 44_100
BOOKS, ENTRIES, CONDITION, FRAMES = 3, 32, 64, 10
"""Sizes of the small codec and models; a window is 0.74 s."""
WINDOW_SECONDS = CONDITION * 512 / RATE
AT = (0.0, 1.0, 2.0, 3.0)


def kick(rate: int = RATE) -> Any:
    time = np.arange(round(0.25 * rate)) / rate
    return 0.8 * np.sin(2 * np.pi * (50 * time + 2.0 * (1 - np.exp(-time * 40)))) * np.exp(-time * 18)


def noise_burst(low_hz: float, high_hz: float, seconds: float, rate: int = RATE) -> Any:
    samples = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / rate)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    burst = np.fft.irfft(spectrum, samples)
    return 0.5 * burst / np.abs(burst).max() * np.exp(-np.arange(samples) / samples * 6)


def snare(rate: int = RATE) -> Any:
    return noise_burst(200, 7_000, 0.2, rate)


def hihat(rate: int = RATE) -> Any:
    return noise_burst(8_000, 16_000, 0.06, rate)


SOUNDS = {"kick": kick, "snare": snare, "hihat": hihat}


def make_song(seconds: float, hits: Mapping[str, Sequence[float]], rate: int = RATE) -> Any:
    """Return a chord and faint noise, [samples] float32, with drums at these seconds."""
    time = np.arange(round(seconds * rate)) / rate
    chord = [np.sin(2 * np.pi * hz * time) for hz in (220.0, 277.2, 329.6, 2_093.0)]
    song = 0.05 * np.sum(chord, axis=0)
    song += 0.001 * np.random.default_rng(1).standard_normal(song.size)
    for name, starts in hits.items():
        sound = SOUNDS[name](rate)
        for second in starts:
            start = round(second * rate)
            kept = sound[: song.size - start]
            song[start : start + kept.size] += kept
    return song.astype(np.float32)


def four_windows() -> Any:
    """Return a song of 4 s whose windows at ``AT`` sound different."""
    return make_song(4.0, {"kick": [0.1, 1.05, 3.3], "snare": [0.4, 2.1], "hihat": [1.2, 1.5, 2.4, 3.1]})


@dataclass(frozen=True)
class World:
    """A folder of checkpoints, their codec, a song, and the codes that they have learned."""

    folder: Path
    weights: Path
    codec: Codec
    song: Any
    targets: dict[str, Any]
    """By instrument: codes [windows, codebooks, frames] of the windows at ``AT``."""


def small_dose_recipe(instruments: Sequence[str], **changes: Any) -> DoseRecipe:
    model = {
        "layers": 2,
        "width": 64,
        "heads": 4,
        "feed_forward": 128,
        "dropout": 0.0,
        "codebooks": BOOKS,
        "codebook_size": ENTRIES,
        "condition_frames": CONDITION,
    }
    content = {
        "name": "by_heart",
        "instruments": list(instruments),
        "one_model": len(instruments) > 1,
        "target_frames": dict.fromkeys(instruments, FRAMES),
        "model": {**model, **changes},
        "schedule": {"steps": 10},
    }
    return DoseRecipe.model_validate(content)


def write_model(folder: Path, instruments: Sequence[str], codec: Mapping[str, Any], **changes: Any) -> Path:
    """Write a checkpoint of an untrained model."""
    recipe = small_dose_recipe(instruments, **changes)
    torch.manual_seed(0)
    model = Dose(recipe.model, len(instruments))
    return _write_checkpoint(folder, recipe, codec, model)


def make_world(folder: Path) -> World:
    """Write kick.pth and snare-hihat.pth, which have learned codes for the windows at ``AT`` of a song."""
    weights = save_tiny(folder / "codec.weights", n_codebooks=BOOKS, codebook_size=ENTRIES)
    codec = open_codec(str(weights), device="cpu", batch=4)
    song = four_windows()
    samples = CONDITION * codec.identity.hop
    windows = np.stack([song[round(at * RATE) :][:samples] for at in AT])
    mixtures = torch.from_numpy(codec.encode(windows).astype(np.int64))
    assert len({row.tobytes() for row in mixtures.numpy()}) == len(AT)
    targets: dict[str, Any] = {}
    (folder / "models").mkdir()
    for instruments in (("kick",), ("snare", "hihat")):
        model, codes = _learn(instruments, mixtures)
        targets |= codes
        _write_checkpoint(folder / "models", small_dose_recipe(instruments), codec.identity.to_dict(), model)
    return World(folder=folder / "models", weights=weights, codec=codec, song=song, targets=targets)


def _learn(instruments: Sequence[str], mixtures: Any) -> tuple[Dose, dict[str, Any]]:
    torch.manual_seed(len(instruments))
    model = Dose(small_dose_recipe(instruments).model, len(instruments))
    count = len(mixtures)
    codes = torch.randint(ENTRIES, (len(instruments) * count, BOOKS, FRAMES))
    pairs = TokenBatch(
        mixtures=mixtures.repeat(len(instruments), 1, 1),
        targets=codes,
        lengths=torch.full((len(codes),), FRAMES),
        instruments=torch.arange(len(instruments)).repeat_interleave(count) if len(instruments) > 1 else None,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(400):
        losses = compute_losses(model, pairs, LossSettings())
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        if losses.to_dict()["full"] < 0.02:
            break
    assert losses.to_dict()["full"] < 0.1
    return model, {name: codes[i * count : (i + 1) * count].numpy() for i, name in enumerate(instruments)}


def _write_checkpoint(folder: Path, recipe: DoseRecipe, codec: Mapping[str, Any], model: Dose) -> Path:
    checkpoint = DoseCheckpoint(
        recipe=recipe,
        instruments=recipe.models[0],
        codec=codec,
        progress={"step": 7},
        state=model.state_dict(),
    )
    return write_checkpoint(checkpoint, folder)
