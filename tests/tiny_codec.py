"""Random codecs that are small enough to be made in a test, and something for them to hear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

# So many threads for so little work only wait for each other.
torch.set_num_threads(1)

from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.codec.checkpoint import codec_checkpoint_bytes
from rmod_pipeline.codec.descript import new_model
from rmod_pipeline.pipeline.encoding import TokenSettings
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.shards.token_family import TokenFamily

TINY: dict[str, Any] = {
    "encoder_dim": 2,
    "encoder_rates": [8, 4, 4, 4],
    "latent_dim": 16,
    "decoder_dim": 32,
    "decoder_rates": [4, 4, 4, 8],
    "n_codebooks": 9,
    "codebook_size": 1024,
    "codebook_dim": 8,
    "sample_rate": 44_100,
}


def save_tiny(path: Path, seed: int = 0, half: bool = False, **changes: Any) -> Path:
    """Write a random codec's checkpoint."""
    torch.manual_seed(seed)
    kwargs = {**TINY, **changes}
    model = new_model(**kwargs)
    for name, value in model.named_parameters():
        # PyTorch's own start makes nearly the same tokens of everything.
        if name.startswith("encoder") and name.endswith("weight_g"):
            value.data.mul_(2)
    path.write_bytes(codec_checkpoint_bytes(model.state_dict(), kwargs, {"version": "7"}, half))
    return path


def noise(count: int, samples: int, seed: int = 0) -> np.ndarray:
    """Return audio [count, samples] that excites every part of a codec."""
    return (0.3 * np.random.default_rng(seed).standard_normal((count, samples))).astype(np.float32)


def encoding_of(job: BuildJob, weights: Path, **options: object) -> TokenSettings:
    """Return the tokens that some weights make of a job's pairs, four at a time."""
    choice = CodecChoice(name=str(weights), device="cpu", batch=4, **options)  # type: ignore[arg-type]
    return TokenSettings(choice=choice, family=TokenFamily.of(job.recipe, choice.fingerprint(), job.digest()))


def with_tokens(job: BuildJob, weights: Path, **options: object) -> BuildJob:
    """Return the job with tokens."""
    return replace(job, encoding=encoding_of(job, weights, **options))
