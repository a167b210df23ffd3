"""Small models for tests, and codes for them."""

from __future__ import annotations

from typing import Any

import torch

# With more threads, such small models are slower.
torch.set_num_threads(1)

from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.loss import TokenBatch
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, ModelSize
from rmod_pipeline.ear.recipe import EarSize
from rmod_pipeline.features import LogMel

SIZE: dict[str, Any] = {
    "layers": 2,
    "width": 32,
    "heads": 4,
    "feed_forward": 64,
    "dropout": 0.0,
    "codebooks": 3,
    "codebook_size": 20,
    "condition_frames": 8,
}
FRAMES = 6

CODEC: dict[str, Any] = {
    "name": "some-12345678",
    "version": "1",
    "sha256": "ab" * 32,
    "sample_rate": 44_100,
    "hop": 512,
    "codebooks": 3,
    "codebook_size": 20,
}


def small_size(**changes: Any) -> ModelSize:
    return ModelSize.model_validate({**SIZE, **changes})


MEL = LogMel(windows=(1024, 256), bands=16)
EAR_INSTRUMENTS = ("snare", "kick", "hihat")
EAR_SIZE = EarSize(bands=16, channels=(4, 4), width=8, layers=1, describer_width=8, describer_layers=1, embedding=4)


def small_hearing(condition: str, instruments: int = 1) -> Hearing | None:
    """Return the hearing of a model for a kick, or for a kick and others."""
    if condition == "tokens":
        return None
    if condition == "mel":
        return Hearing(mel=MEL)
    return Hearing.with_ear(MEL, EAR_SIZE, EAR_INSTRUMENTS, ("kick", "snare", "hihat")[:instruments], "ear.pth")


def small_model(instruments: int = 1, seed: int = 0, **changes: Any) -> Dose:
    torch.manual_seed(seed)
    size = small_size(**changes)
    return Dose(size, instruments, small_hearing(size.condition, instruments))


def small_recipe(**changes: Any) -> DoseRecipe:
    content = {"name": "small", "instruments": ["kick"], "model": SIZE, "schedule": {"steps": 10}}
    return DoseRecipe.model_validate({**content, **changes})


def make_codes(count: int, frames: int, seed: int = 0, codebooks: int = 3, size: int = 20) -> Any:
    """Return random codes [count, codebooks, frames]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(size, (count, codebooks, frames), generator=generator)


def make_levels(count: int, seed: int = 0, frames: int = SIZE["condition_frames"]) -> Any:
    """Return random levels [count, windows, bands, frames]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 2, 16, frames), generator=generator, dtype=torch.uint8)


def make_condition(count: int, seed: int = 0) -> Condition:
    """Return the tokens and the levels of random mixtures."""
    return Condition(tokens=make_codes(count, SIZE["condition_frames"], seed), levels=make_levels(count, seed))


def make_batch(count: int, frames: int = FRAMES, seed: int = 0) -> TokenBatch:
    return TokenBatch(
        mixtures=make_codes(count, SIZE["condition_frames"], seed),
        targets=make_codes(count, frames, seed + 1),
        lengths=torch.full((count,), frames),
        levels=make_levels(count, seed),
    )
