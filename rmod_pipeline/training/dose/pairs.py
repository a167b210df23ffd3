"""Read the pairs that a model is trained on: tokens, and beside them levels and hits where the model hears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ShardError
from rmod_pipeline.features import MelLevels
from rmod_pipeline.reading.features import FeaturePair, load_features
from rmod_pipeline.reading.loader import TokenPair, load_tokens
from rmod_pipeline.reading.stream import PairStream
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.training.dose.data import TokenData
from rmod_pipeline.training.loop.examples import PairSource, frames_of_hits


class HeardPair(TokenPair):
    """The tokens of a pair, and what a model hears of its mixture."""

    levels: NotRequired[MelLevels]
    """[windows, bands, frames] of the mixture."""
    hits: NotRequired[Mapping[str, NDArray[np.int64]]]
    """By instrument: ascending frames of the mixture in which it is hit."""


@dataclass(frozen=True, slots=True)
class HeardPairs:
    """Two streams of the same pairs in the same order, tokens and features, as one of ``HeardPair``."""

    tokens: PairStream
    features: PairStream

    def __iter__(self) -> Iterator[HeardPair]:
        """Yield the pairs. Raises ShardError if the streams have other pairs."""
        tokens: TokenPair
        features: FeaturePair
        for tokens, features in zip(self.tokens, self.features, strict=False):
            if tokens["key"] != features["key"]:
                found = f"tokens of {tokens['key']} stand beside features of {features['key']}"
                raise ShardError("training", found, "`rmod verify OUT` says which shard is damaged")
            frames = features["levels"][MIX].shape[2]
            hits = {
                kind: frames_of_hits(seconds, features["definition"], frames)
                for kind, seconds in features["hits"].items()
            }
            yield HeardPair(**tokens, levels=features["levels"][MIX], hits=hits)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of both streams."""
        self.tokens.set_epoch(epoch)
        self.features.set_epoch(epoch)


def load_pairs(data: TokenData, split: str, sounds: list[str], **options: Any) -> PairSource:
    """Return the pairs of a split, with levels and hits if the data has features; options as for ``load_tokens``."""
    tokens = load_tokens(data.out, split, data.family.name, sounds=sounds, **options)
    if data.features is None:
        return tokens
    return HeardPairs(tokens, load_mixtures(data, data.features, split, **options))


def load_mixtures(data: TokenData, features: FeatureFamily, split: str, **options: Any) -> PairStream:
    """Return the features of the mixtures of a split, in the order of its tokens."""
    return load_features(data.out, split, features=features.name, sounds=[MIX], **options)
