"""Random codecs that are small enough to create in a test, and noise to encode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

# More threads would be slower, because the models are tiny.
torch.set_num_threads(1)

from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.codec.checkpoint import serialize_codec_checkpoint
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
    """Write the checkpoint of a random codec."""
    torch.manual_seed(seed)
    kwargs = {**TINY, **changes}
    model = new_model(**kwargs)
    for name, value in model.named_parameters():
        # With PyTorch's default initialization nearly all audio has the same tokens.
        if name.startswith("encoder") and name.endswith("weight_g"):
            value.data.mul_(2)
    path.write_bytes(serialize_codec_checkpoint(model.state_dict(), kwargs, {"version": "7"}, half))
    return path


def noise(count: int, samples: int, seed: int = 0) -> np.ndarray:
    """Return white noise [count, samples] float32, which uses every part of a codec."""
    return (0.3 * np.random.default_rng(seed).standard_normal((count, samples))).astype(np.float32)


def encoding_of(job: BuildJob, weights: Path | str, **options: object) -> TokenSettings:
    """Return the settings that encode the pairs of a job with these weights, in batches of four."""
    choice = CodecChoice(name=str(weights), device="cpu", batch=4, **options)  # type: ignore[arg-type]
    return TokenSettings(choice=choice, family=TokenFamily.of(job.recipe, choice.fingerprint(), job.digest))


def with_tokens(job: BuildJob, weights: Path | str, **options: object) -> BuildJob:
    """Return the job with tokens in addition to audio."""
    return replace(job, encoding=encoding_of(job, weights, **options))
