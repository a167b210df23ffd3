"""The embeddings that rmod ships, so that a figure always exists: the ear, the classifier, the latents of a codec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.classification.classifier import SoundClassifier, open_classifier
from rmod_pipeline.codec import Codec, open_codec
from rmod_pipeline.evaluation.embeddings.base import Sounds, make_identity, prepare_batches, stack_vectors
from rmod_pipeline.extraction.listening.ear import OpenedEar, open_ear

EAR, CLASSIFIER, CODEC_LATENTS = "ear", "classifier", "codec-latents"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarEmbedding:
    """The embedding of the ear for known one-shots.

    The ear takes a sound with its kind and returns a vector of length 1 for the whole sound. Here the kind is not
    known: the vector is the mean over the kinds that the ear hears. It sees the first 0.28 s of a sound.
    """

    ear: OpenedEar
    name: str = EAR

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights."""
        return make_identity(self.name, str(self.ear.source["sha256"]))

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self.ear.model.size.embedding

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, dimensions] of sounds [n, samples]; see ``Embedding``."""
        batches = [
            np.mean(
                [self.ear.describe_sounds(kind, list(batch)).embedding.numpy() for kind in self.ear.instruments], axis=0
            )
            for batch in prepare_batches(sounds, sample_rate, self.ear.features.sample_rate)
        ]
        return stack_vectors(batches, self.dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierEmbedding:
    """The embedding of the classifier of one-shots, which hears the first three seconds of a sound, of length 1."""

    classifier: SoundClassifier
    name: str = CLASSIFIER

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights."""
        return make_identity(self.name, str(self.classifier.source["sha256"]))

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self.classifier.dimensions

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, dimensions] of sounds [n, samples]; see ``Embedding``."""
        rate = self.classifier.features.sample_rate
        batches = [self.classifier.embed(list(batch)) for batch in prepare_batches(sounds, sample_rate, rate)]
        return stack_vectors(batches, self.dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecEmbedding:
    """The latents of a codec after its codebooks, the mean over the frames of a sound."""

    codec: Codec
    entries: NDArray[np.float32]
    """[codebooks, entries, dimensions]: what each entry adds to the latent."""
    name: str = CODEC_LATENTS

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights."""
        return make_identity(self.name, self.codec.identity.sha256)

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return int(self.entries.shape[2])

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, dimensions] of sounds [n, samples]; see ``Embedding``."""
        batches = prepare_batches(sounds, sample_rate, self.codec.identity.sample_rate)
        return stack_vectors([self._embed_batch(batch) for batch in batches], self.dimensions)

    def _embed_batch(self, batch: Sounds) -> NDArray[np.float32]:
        tokens = self.codec.encode(batch)
        books = zip(self.entries, tokens.transpose(1, 0, 2), strict=True)
        vectors: NDArray[np.float32] = np.sum([entries[codes].mean(axis=1) for entries, codes in books], axis=0)
        return vectors


def open_ear_embedding(weights: Path | None = None) -> EarEmbedding:
    """Open an ear as an embedding, by default the one that rmod ships. Raises ModelError."""
    return EarEmbedding(ear=open_ear(weights, spectra=False))


def open_classifier_embedding(weights: Path | None = None) -> ClassifierEmbedding:
    """Open a classifier as an embedding, by default the one that rmod ships. Raises ModelError."""
    return ClassifierEmbedding(classifier=open_classifier(weights))


def open_codec_embedding(weights: Path | None = None, device: str = "cpu") -> CodecEmbedding:
    """Open a codec as an embedding, by default ``mini``, which rmod ships. Raises CodecError."""
    codec = open_codec("mini" if weights is None else str(weights.absolute()), device=device)
    return CodecEmbedding(codec=codec, entries=codec.codebooks().latents)
