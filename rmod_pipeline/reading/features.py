"""Load features for training: log-mel spectrograms with the times of the hits, from finished shards.

    pairs = load_features("OUT", "train", shuffle=1000)
    for pair in pairs:
        pair["levels"]["mix"]  # uint8 [windows, bands, frames]
        pair["hits"]["kick"]  # seconds

A stream has the order of ``load_tokens`` with the same options, so ``zip`` joins both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ShardError
from rmod_pipeline.features import LogMel, MelLevels
from rmod_pipeline.reading.opening import ReadOptions, import_stream, open_windows
from rmod_pipeline.reading.shard_list import HINT
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.windows.feature_family import FeatureFamily, choose_features
from rmod_pipeline.shards.windows.features import decode_levels
from rmod_pipeline.spec import onset_frame
from rmod_pipeline.storage import Location, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.reading.stream import PairStream, RawPair


class FeaturePair(TypedDict):
    """The features of one pair."""

    key: str
    levels: dict[str, MelLevels]
    """By sound (mix, kick, ...): uint8 [windows, bands, frames]. All pairs have the same shape of a sound."""
    frames: dict[str, int]
    """By sound: the number of frames that hold audio; the remaining frames are padding."""
    hits: dict[str, NDArray[np.float32]]
    """By kind of every drum in the mixture, targets or not: the onsets in seconds, ascending."""
    definition: LogMel
    """What the levels mean; ``definition.to_decibels(levels)`` converts them."""


def load_features(
    out: Location | str,
    split: str,
    *,
    features: str | None = None,
    sounds: Sequence[str] | None = None,
    shuffle: int = 0,
    seed: int = 0,
    epoch: int = 0,
    resampled: bool = False,
    rank: int | None = None,
    world_size: int | None = None,
    partial: bool = False,
) -> PairStream:
    """Return a stream of the features of a split, one ``FeaturePair`` per pair, for a loop or torch's DataLoader.

    ``features``: the name, such as ``mel-1a2b3c4d``, or its beginning; optional if there is one sort of features. The
    number of hits differs, so a DataLoader needs ``batch_size=None`` or a ``collate_fn``. The other arguments, the
    order and the errors are those of ``load_tokens``.
    """
    import_stream()
    layout = Layout(parse_location(out))
    family = choose_features(layout.out, features)
    options = ReadOptions(
        split=split, shuffle=shuffle, seed=seed, epoch=epoch, resampled=resampled, rank=rank, world_size=world_size,
        partial=partial,
    )  # fmt: skip
    return open_windows(layout, family, sounds, lambda chosen: FeatureDecoder(family, chosen), options)


@dataclass(frozen=True, slots=True)
class FeatureDecoder:
    """Decodes a raw pair to a ``FeaturePair``. A shard cannot run code, because object arrays are refused."""

    family: FeatureFamily
    sounds: tuple[str, ...]

    def __call__(self, raw: RawPair) -> FeaturePair:
        """Decode a pair. Raises ShardError for features that do not fit their family."""
        try:
            content = json.loads(raw.members["json"])
            frames = {sound: int(content["features"]["frames"][sound]) for sound in self.sounds}
            hits = read_hits(content["spec"])
        except (KeyError, ValueError, TypeError, AttributeError, ZeroDivisionError, RecursionError) as error:
            raise ShardError(raw.tar, f"{raw.key}.json does not describe features: {error!r}", HINT) from error
        if any(not 0 <= frames[sound] <= self.family.windows[sound] for sound in self.sounds):
            raise ShardError(raw.tar, f"{raw.key}.json has no valid frames of {', '.join(self.sounds)}", HINT)
        levels = {sound: self._decode_sound(raw, sound) for sound in self.sounds}
        return FeaturePair(key=raw.key, levels=levels, frames=frames, hits=hits, definition=self.family.mel)

    def _decode_sound(self, raw: RawPair, sound: str) -> MelLevels:
        about = f"{raw.tar}: {raw.key}.{sound}.npy"
        levels = decode_levels(raw.members[f"{sound}.npy"], about)
        shape = self.family.shape(sound)
        if levels.shape != shape:
            raise ShardError(about, f"{list(levels.shape)}; features.json says {list(shape)}", HINT)
        return levels


def read_hits(spec: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Return the onsets of every drum in the JSON of a spec, by kind, in seconds.

    It reads the JSON as it is: to validate each spec of a training would take most of its time. Raises KeyError,
    TypeError, ValueError and the like for what is no spec.
    """
    settings = spec["settings"]
    frames, grid, sample_rate = int(settings["frames"]), int(settings["grid"]), int(settings["sample_rate"])
    hits = dict[str, NDArray[np.float32]]()
    for drum in spec["drums"]:
        onsets = [onset_frame(int(note["tick"]), frames, grid) for note in drum["notes"]]
        hits[drum["kind"]] = np.array([onset / sample_rate for onset in onsets], np.float32)
    return hits
