"""YAMNet: a classifier of 521 kinds of sound (AudioSet), run by LiteRT from the file that its authors publish.

Its vectors are the 1,024 averages before the last layer. They are an inner tensor of the file, so the interpreter is
told to keep inner tensors.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ModelError
from rmod_pipeline.evaluation.embeddings.base import (
    Sounds,
    cut_patches,
    import_extra,
    make_identity,
    prepare_batches,
    read_embedding_weights,
    stack_vectors,
)

YAMNET = "YAMNet"
YAMNET_SHA256 = "469be6a3421cbc52cf97e9f2f966cba984198e8e7af9854d68b3e3ebb1e04194"
"""Of the published ``yamnet.tflite``, 4 MB, Apache-2.0."""
YAMNET_RATE = 16_000
PATCH = 15_600
"""Samples that YAMNet takes: 0.975 s."""
HOP = 7680
"""Samples between two patches of a longer sound: 0.48 s, as YAMNet's own front end has it."""
DIMENSIONS = 1024
VECTOR_TENSOR = "global_average_pooling2d/Mean"
ABOUT = "the published yamnet.tflite (16 kHz, 4,078,224 bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class YamnetEmbedding:
    """The vectors of YAMNet, the mean over the patches of a sound."""

    interpreter: Any
    """A LiteRT interpreter that keeps inner tensors."""
    input_index: int
    vector_index: int
    sha256: str
    name: str = YAMNET
    dimensions: int = DIMENSIONS

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights."""
        return make_identity(self.name, self.sha256)

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, 1024] of sounds [n, samples]; see ``Embedding``."""
        vectors = [
            np.mean([self._run(patch) for patch in patches], axis=0)[None]
            for batch in prepare_batches(sounds, sample_rate, YAMNET_RATE)
            for patches in cut_patches(batch, PATCH, HOP)
        ]
        return stack_vectors(vectors, self.dimensions)

    def _run(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vector [1024] of a patch [samples]."""
        self.interpreter.set_tensor(self.input_index, np.ascontiguousarray(patch[None]))
        self.interpreter.invoke()
        vector: NDArray[np.float32] = self.interpreter.get_tensor(self.vector_index)[0].copy()
        return vector


def open_yamnet(weights: Path | None, sha256: str | None = None) -> YamnetEmbedding:
    """Open YAMNet from a user's file. Raises ModelError for a missing extra, a missing file, or any other file."""
    path, data, digest = read_embedding_weights(YAMNET, weights, ABOUT, YAMNET_SHA256, sha256)
    litert = import_extra("ai_edge_litert.interpreter", "ai-edge-litert", "yamnet")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of inner tensors, which take memory: here a megabyte
            interpreter = litert.Interpreter(model_content=data, num_threads=1, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(path, f"not a LiteRT model: {error}", f"give {ABOUT}") from error
    inputs = [each for each in interpreter.get_input_details() if list(each["shape"]) == [1, PATCH]]
    vectors = [each for each in interpreter.get_tensor_details() if each["name"].endswith(VECTOR_TENSOR)]
    if not inputs or not vectors or list(vectors[0]["shape"]) != [1, DIMENSIONS]:
        raise ModelError(path, f"no YAMNet: no input of {PATCH} samples with a tensor {VECTOR_TENSOR}", f"give {ABOUT}")
    return YamnetEmbedding(
        interpreter=interpreter,
        input_index=int(inputs[0]["index"]),
        vector_index=int(vectors[0]["index"]),
        sha256=digest,
    )
