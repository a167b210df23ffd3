"""A model against simpler ways to guess a one-shot, on pairs of a split it was not trained on.

extracted      the model's greedy answer to the mixture's tokens, decoded
chance         a one-shot of the same kind picked from the training split: who knows recordings and does not listen
coded chance   the same through the codec and back: who speaks in tokens, as the model must, and does not listen
codec          the true one-shot through the codec and back: as near as an answer in tokens can come
silence        nothing at all
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec import Codec, fit_window, mono_of
from rmod_pipeline.dose.checkpoint import Checkpoint, load_model
from rmod_pipeline.dose.generate import generate
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation.distance import spectral_distance
from rmod_pipeline.shards.members import MIX, audio_member, decode_audio
from rmod_pipeline.shards.stored import StoredPair, list_keys, read_pair
from rmod_pipeline.shards.tokens import TokenFamily, decode_codes, read_tokens
from rmod_pipeline.storage import Place

EXTRACTED, CHANCE, CODED_CHANCE, CODEC, SILENCE = WAYS = ("extracted", "chance", "coded chance", "codec", "silence")
BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Distances to the true one-shots of one instrument, pair by pair."""

    instrument: str
    keys: tuple[str, ...]
    distances: dict[str, tuple[float, ...]]
    """By way."""

    def mean(self, way: str) -> float:
        """Return the mean distance of a way."""
        return float(np.mean(self.distances[way]))

    def nearer_than(self, way: str) -> float:
        """Return the share of pairs, 0..1, whose extracted one-shot is nearer to the true one than another way's."""
        pairs = zip(self.distances[EXTRACTED], self.distances[way], strict=True)
        return float(np.mean([one < other for one, other in pairs]))


def compare(
    out: Place,
    split: str,
    checkpoint: Checkpoint,
    codec: Codec,
    family: TokenFamily,
    *,
    most: int | None = None,
    on_pairs: Callable[[int], None] = lambda _count: None,
) -> Iterator[Comparison]:
    """Yield a comparison for each instrument of a model, over a split's pairs or so many of them.

    The data set must keep its sound. Raises ShardError, CodecError for a model that speaks another codec's tokens.
    """
    checkpoint.require_codec(codec.identity)
    keys, trained = _keys(out, split)[:most], _keys(out, "train")
    answers = _Answers(out, checkpoint, load_model(checkpoint).to(codec.device), codec, family)
    for instrument in checkpoint.instruments:
        measured: dict[str, list[float]] = {way: [] for way in WAYS}
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            places = [Draw.of("evaluation", split).at(instrument, key).below(len(trained)) for key in part]
            for way, distances in answers.measured(instrument, part, [trained[place] for place in places]).items():
                measured[way] += distances
            on_pairs(len(part))
        found = {way: tuple(distances) for way, distances in measured.items()}
        yield Comparison(instrument=instrument, keys=tuple(keys), distances=found)


def _keys(out: Place, split: str) -> list[str]:
    keys = list_keys(out, split)
    if not keys:
        raise ShardError(f"{out}, split {split}", "all of its pairs were rejected", "build the split with more pairs")
    return keys


def _coded(sounds: Tensor, codec: Codec) -> Tensor:
    """Return sounds [n, samples] through the codec and back."""
    return torch.from_numpy(codec.decode(codec.encode(sounds.numpy()))[:, : sounds.shape[1]])


def _one_shots(out: Place, keys: Sequence[str], kind: str, samples: int) -> Tensor:
    """Return the true one-shots of pairs in their window: [n, samples]."""
    return torch.from_numpy(np.stack([_one_shot(read_pair(out, key), kind, samples) for key in keys]))


def _one_shot(pair: StoredPair, kind: str, samples: int) -> np.ndarray:
    name = audio_member(pair.members, kind)
    if name is None:
        raise ShardError(pair.key, f"keeps no sound of its {kind}", "evaluate on a data set built with its sound")
    pcm, _ = decode_audio(pair.members[name])
    return fit_window(mono_of(pcm), samples, 1).audio


@dataclass(frozen=True, slots=True)
class _Answers:
    """A model, and what it takes to hear its answers."""

    out: Place
    checkpoint: Checkpoint
    model: Dose
    codec: Codec
    family: TokenFamily

    def measured(self, instrument: str, keys: Sequence[str], others: Sequence[str]) -> dict[str, list[float]]:
        """Return how far each way is from the true one-shots of some pairs; chance takes those of ``others``."""
        samples = self.checkpoint.recipe.frames(instrument) * self.codec.identity.hop
        true, chance = (_one_shots(self.out, several, instrument, samples) for several in (keys, others))
        made = {
            EXTRACTED: self._extracted(instrument, keys),
            CHANCE: chance,
            CODED_CHANCE: _coded(chance, self.codec),
            CODEC: _coded(true, self.codec),
            SILENCE: torch.zeros_like(true),
        }
        return {way: spectral_distance(made[way], true).tolist() for way in WAYS}

    def _extracted(self, instrument: str, keys: Sequence[str]) -> Tensor:
        """Return the greedy answers to some pairs' mixtures: [n, samples]."""
        device = self.codec.device
        mixtures = torch.from_numpy(np.stack([self._mixture(key) for key in keys]).astype(np.int64)).to(device)
        kind = self.checkpoint.class_of(instrument) if len(self.checkpoint.instruments) > 1 else None
        asked = None if kind is None else torch.full((len(keys),), kind, device=device)
        frames = self.checkpoint.recipe.frames(instrument)
        made = generate(self.model, mixtures, frames, instruments=asked)
        sound = self.codec.decode(made.best.cpu().numpy().astype(np.uint16))
        return torch.from_numpy(sound[:, : frames * self.codec.identity.hop])

    def _mixture(self, key: str) -> np.ndarray:
        return decode_codes(read_tokens(self.out, key, self.family)[f"{MIX}.npy"], f"{key}.{MIX}.npy")
