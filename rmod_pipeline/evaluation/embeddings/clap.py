"""CLAP: vectors of sounds that lie near the vectors of their descriptions, with weights that the user brings.

The weights are a folder as Hugging Face stores CLAP: ``config.json``, ``preprocessor_config.json`` and
``model.safetensors``. Nothing is fetched, and only safetensors are read, which cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from rmod_pipeline.codec.torch_support import read_weights_file
from rmod_pipeline.errors import ModelError
from rmod_pipeline.evaluation.embeddings.base import (
    Sounds,
    import_extra,
    make_identity,
    prepare_batches,
    require_digest,
    stack_vectors,
)

CLAP = "CLAP"
MOST_SECONDS = 10.0
"""A longer sound is cut: CLAP would choose a part of it at random."""
WEIGHTS_FILE = "model.safetensors"
FILES = ("config.json", "preprocessor_config.json", WEIGHTS_FILE)
ABOUT = f"the folder of a CLAP for Transformers, with {', '.join(FILES)}, such as laion/larger_clap_music"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClapEmbedding:
    """The vectors of CLAP's audio side, of length 1. A sound shorter than 10 s is repeated, as CLAP is used to."""

    model: Any
    """transformers.ClapAudioModelWithProjection"""
    features: Any
    """transformers.ClapFeatureExtractor"""
    device: str
    sha256: str
    dimensions: int
    name: str = CLAP

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights and of both configurations."""
        return make_identity(self.name, self.sha256)

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, dimensions] of sounds [n, samples]; see ``Embedding``."""
        batches = prepare_batches(sounds, sample_rate, self.features.sampling_rate)
        return stack_vectors([self._embed_batch(batch) for batch in batches], self.dimensions)

    def _embed_batch(self, batch: Sounds) -> NDArray[np.float32]:
        rate = self.features.sampling_rate
        cut = list(batch[:, : round(MOST_SECONDS * rate)])
        inputs = self.features(cut, sampling_rate=rate, return_tensors="pt").to(self.device)
        with torch.no_grad():
            vectors = functional.normalize(self.model(**inputs).audio_embeds, dim=-1)
        array: NDArray[np.float32] = vectors.cpu().numpy()
        return array


def open_clap(weights: Path | None, device: str = "cpu", sha256: str | None = None) -> ClapEmbedding:
    """Open CLAP from a user's folder.

    ``sha256`` is that of ``model.safetensors``. Raises ModelError for a missing extra, missing or broken files, another
    checksum, and for weights that are not those of a CLAP.
    """
    if weights is None:
        raise ModelError(CLAP, "needs weights, which rmod does not ship", f"give {ABOUT}")
    contents = {name: read_weights_file(weights / name, ModelError, f"give {ABOUT}") for name in FILES}
    require_digest(weights / WEIGHTS_FILE, hashlib.sha256(contents[WEIGHTS_FILE]).hexdigest(), sha256, ABOUT)
    _require_clap(weights / FILES[0], contents[FILES[0]])
    transformers = import_extra("transformers", "transformers", "clap")
    options = {"local_files_only": True}
    try:
        features = transformers.ClapFeatureExtractor.from_pretrained(str(weights), **options)
        model, report = transformers.ClapAudioModelWithProjection.from_pretrained(
            str(weights), **options, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # Transformers and safetensors raise errors of many classes
        found = f"no CLAP: {str(error).splitlines()[0] if str(error) else error!r}"
        raise ModelError(weights, found, f"give {ABOUT}") from error
    # Transformers draws missing weights at random, with no more than a warning.
    lacking = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if lacking:
        raise ModelError(weights / WEIGHTS_FILE, f"lacks the array {lacking[0]} of CLAP's audio side", f"give {ABOUT}")
    digest = hashlib.sha256(b"".join(hashlib.sha256(contents[name]).digest() for name in FILES)).hexdigest()
    return ClapEmbedding(
        model=model.eval().to(device),
        features=features,
        device=device,
        sha256=digest,
        dimensions=int(model.config.projection_dim),
    )


def _require_clap(path: Path, data: bytes) -> None:
    """Raise ModelError unless a configuration is that of a CLAP."""
    try:
        kind = json.loads(data).get("model_type")
    except (ValueError, AttributeError) as error:
        raise ModelError(path, f"not a configuration: {error}", f"give {ABOUT}") from error
    if kind not in ("clap", "clap_audio_model"):
        raise ModelError(path, f"the model_type is {kind}, not clap", f"give {ABOUT}")
