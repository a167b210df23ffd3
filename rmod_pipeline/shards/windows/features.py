"""Encode and decode the feature files of pairs, and compute and write a shard of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from rmod_pipeline.audio import Pcm
from rmod_pipeline.errors import ShardError
from rmod_pipeline.features import MelLevels
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import encode_json
from rmod_pipeline.shards.receipt import MissingPairs
from rmod_pipeline.shards.windows.arrays import DAMAGE_HINT, decode_array, encode_array
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.shards.windows.writer import WindowShardWriter


def decode_levels(data: bytes, about: object) -> MelLevels:
    """Return the levels [windows, bands, frames] of a .npy file. Raises ShardError, also for code in it."""
    levels = decode_array(data, about, "features")
    if levels.ndim != 3 or levels.dtype != np.uint8:
        found = f"{levels.dtype} {list(levels.shape)}, but features are uint8 [windows, bands, frames]"
        raise ShardError(about, found, DAMAGE_HINT)
    return levels


class FeatureShardWriter(WindowShardWriter):
    """Compute and write the feature tar of one shard; pairs must be added in the order of their keys.

    ``missing`` are the missing pairs of the audio shard; it may be filled until the context is left.
    """

    def __init__(self, plan: ShardPlan, layout: Layout, family: FeatureFamily, missing: MissingPairs) -> None:
        super().__init__(plan, layout, family, missing)
        self._features = family

    def add(self, key: str, sounds: Mapping[str, Pcm], description: bytes) -> None:
        """Append a pair: its sounds, 16-bit [channels, samples], and its JSON as ``description``."""
        self._append(key, encode_features(self._features, sounds, description))


def encode_features(family: FeatureFamily, sounds: Mapping[str, Pcm], description: bytes) -> dict[str, bytes]:
    """Return a pair's files of features by suffix, in the order of the tar. ``sounds``: 16-bit [channels, samples]."""
    windows = family.window(sounds)
    members = {f"{sound}.npy": encode_array(family.mel.compute(window.audio)) for sound, window in windows.items()}
    frames = {sound: window.frames for sound, window in windows.items()}
    return {**members, "json": describe_features(description, family, frames)}


def describe_features(description: bytes, family: FeatureFamily, frames: Mapping[str, int]) -> bytes:
    """Return a pair's JSON with the scale of its features and the length of each sound in frames, without padding."""
    return encode_json({**json.loads(description), "features": feature_record(family, frames)})


def feature_record(family: FeatureFamily, frames: Mapping[str, int]) -> dict[str, Any]:
    """Return what a pair's JSON says of its features: their name, their scale, and the length of each sound."""
    mel = family.mel
    scale = {"floor_db": mel.floor_db, "step_db": mel.step_db, "hop": mel.hop, "windows": list(mel.windows)}
    return {"name": family.name, **scale, "frames": dict(frames)}
