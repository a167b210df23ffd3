"""Small models for tests, and codes for them."""

from __future__ import annotations

from typing import Any

import torch

# With more threads, such small models are slower.
torch.set_num_threads(1)

from rmod_pipeline.dose.loss import TokenBatch
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, ModelSize

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


def small_model(instruments: int = 1, seed: int = 0, **changes: Any) -> Dose:
    torch.manual_seed(seed)
    return Dose(small_size(**changes), instruments)


def small_recipe(**changes: Any) -> DoseRecipe:
    content = {"name": "small", "instruments": ["kick"], "model": SIZE, "schedule": {"steps": 10}}
    return DoseRecipe.model_validate({**content, **changes})


def make_codes(count: int, frames: int, seed: int = 0, codebooks: int = 3, size: int = 20) -> Any:
    """Return random codes [count, codebooks, frames]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(size, (count, codebooks, frames), generator=generator)


def make_batch(count: int, frames: int = FRAMES, seed: int = 0) -> TokenBatch:
    return TokenBatch(
        mixtures=make_codes(count, SIZE["condition_frames"], seed),
        targets=make_codes(count, frames, seed + 1),
        lengths=torch.full((count,), frames),
    )
