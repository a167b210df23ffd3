"""A model against simpler ways to guess a one-shot, on pairs of a split it was not trained on.

extracted      the model's answer to the mixture's tokens, decoded: of several tries the one that `extract` would take
another's      its answer to another pair's mixture: how it would do if it did not listen
agreed         of the tries the one that is nearest to all, without listening again whether it is found in the mixture
greedy         the likeliest token each time, alone
chance         a one-shot of the same kind picked from the training split: who knows recordings and does not listen
typical        of 64 such one-shots the one that is nearest to all, for every pair: the best guess without listening
coded chance   chance through the codec and back: who speaks in tokens, as the model must, and does not listen
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
from rmod_pipeline.codec.spectral_distance import distance_from_mean, spectral_distance
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model
from rmod_pipeline.dose.generation import Try, generate
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ShardError
from rmod_pipeline.extraction.extract import tries_of
from rmod_pipeline.extraction.polish import polish
from rmod_pipeline.extraction.ranking import TELLING_DB, score_candidates
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.reading.pairs import StoredPair, list_keys, read_pair, read_pair_tokens
from rmod_pipeline.shards.members import MIX, decode_audio, find_audio_member
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location

EXTRACTED, ANOTHERS, AGREED, GREEDY, CHANCE, TYPICAL, CODED_CHANCE, CODEC, SILENCE = WAYS = (
    "extracted",
    "another's",
    "agreed",
    "greedy",
    "chance",
    "typical",
    "coded chance",
    "codec",
    "silence",
)
BATCH = 16
TRIES = 8
"""Sampled ones, beside the greedy."""
MANY = 64
"""Training one-shots that the typical one is chosen from."""


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
    out: Location,
    split: str,
    checkpoint: DoseCheckpoint,
    codec: Codec,
    family: TokenFamily,
    *,
    most: int | None = None,
    tries: int = TRIES,
    on_pairs: Callable[[int], None] = lambda _count: None,
) -> Iterator[Comparison]:
    """Yield a comparison for each instrument of a model, over a split's pairs or so many of them.

    The data set must keep its sound. Raises ShardError, CodecError for a model that speaks another codec's tokens.
    """
    checkpoint.require_codec(codec.identity)
    keys, trained = _keys(out, split)[:most], _keys(out, "train")
    asked = tries_of(ExtractionConfig(tries=tries))
    answers = _Answers(out, checkpoint, load_dose_model(checkpoint).to(codec.device), codec, family, asked)
    for instrument in checkpoint.instruments:
        measured: dict[str, list[float]] = {way: [] for way in WAYS}
        draw = Draw.of("evaluation", split).at(instrument, "typical")
        typical = answers.typical(instrument, [trained[draw.at(number).below(len(trained))] for number in range(MANY)])
        before: Tensor | None = None
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            places = [Draw.of("evaluation", split).at(instrument, key).below(len(trained)) for key in part]
            sounds = answers.sounds(instrument, part, [trained[place] for place in places])
            # Each pair is given the answer to the one before it; the very first that to the last of its batch.
            first = sounds.made[EXTRACTED][-1:] if before is None else before
            before = sounds.made[EXTRACTED][-1:]
            sounds.made[ANOTHERS] = torch.cat([first, sounds.made[EXTRACTED][:-1]])
            sounds.made[TYPICAL] = typical.expand_as(sounds.true)
            for way in WAYS:
                measured[way] += spectral_distance(sounds.made[way], sounds.true).tolist()
            on_pairs(len(part))
        found = {way: tuple(distances) for way, distances in measured.items()}
        yield Comparison(instrument=instrument, keys=tuple(keys), distances=found)


def _keys(out: Location, split: str) -> list[str]:
    keys = list_keys(out, split)
    if not keys:
        raise ShardError(f"{out}, split {split}", "all of its pairs were rejected", "build the split with more pairs")
    return keys


def _coded(sounds: Tensor, codec: Codec) -> Tensor:
    """Return sounds [n, samples] through the codec and back."""
    return torch.from_numpy(codec.decode(codec.encode(sounds.numpy()))[:, : sounds.shape[1]])


def _one_shots(out: Location, keys: Sequence[str], kind: str, samples: int) -> Tensor:
    """Return the true one-shots of pairs in their window: [n, samples]."""
    return torch.from_numpy(np.stack([_sound(read_pair(out, key), kind, samples) for key in keys]))


def _sound(pair: StoredPair, kind: str, samples: int) -> Mono:
    name = find_audio_member(pair.members, kind)
    if name is None:
        raise ShardError(pair.key, f"keeps no sound of its {kind}", "evaluate on a data set built with its sound")
    pcm, _ = decode_audio(pair.members[name])
    return fit_window(mono_of(pcm), samples, 1).audio


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sounds:
    """What is compared, each [n, samples]."""

    true: Tensor
    made: dict[str, Tensor]
    """By way."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """A model, and what it takes to hear its answers."""

    out: Location
    checkpoint: DoseCheckpoint
    model: Dose
    codec: Codec
    family: TokenFamily
    tries: Sequence[Try]
    """The greedy one first."""

    def sounds(self, instrument: str, keys: Sequence[str], others: Sequence[str]) -> _Sounds:
        """Return the true one-shots of some pairs and all ways to guess them; chance takes those of ``others``."""
        samples = self.checkpoint.recipe.frames(instrument) * self.codec.identity.hop
        true, chance = (_one_shots(self.out, several, instrument, samples) for several in (keys, others))
        tried = self._tried(instrument, keys)
        agreed = torch.stack([_nearest_to_all(each) for each in tried])
        made = {
            EXTRACTED: self._chosen(instrument, keys, tried) if instrument in TELLING_DB else agreed,
            AGREED: agreed,
            GREEDY: tried[:, 0],
            CHANCE: chance,
            CODED_CHANCE: _coded(chance, self.codec),
            CODEC: _coded(true, self.codec),
            SILENCE: torch.zeros_like(true),
        }
        return _Sounds(true=true, made=made)

    def typical(self, instrument: str, keys: Sequence[str]) -> Tensor:
        """Return of the one-shots of so many pairs the one that is nearest to all: [samples]."""
        samples = self.checkpoint.recipe.frames(instrument) * self.codec.identity.hop
        return _nearest_to_all(_one_shots(self.out, keys, instrument, samples))

    def _tried(self, instrument: str, keys: Sequence[str]) -> Tensor:
        """Return the model's answers to some pairs' mixtures: [n, tries, samples]."""
        device = self.codec.device
        mixtures = torch.from_numpy(np.stack([self._mixture(key) for key in keys]).astype(np.int64)).to(device)
        kind = self.checkpoint.class_of(instrument) if len(self.checkpoint.instruments) > 1 else None
        asked = None if kind is None else torch.full((len(keys),), kind, device=device)
        frames = self.checkpoint.recipe.frames(instrument)
        made = generate(self.model, mixtures, frames, self.tries, instruments=asked)
        sounds = self.codec.decode(made.codes.flatten(0, 1).cpu().numpy().astype(np.uint16))
        heard = np.stack([self._polished(each, frames) for each in sounds])
        return torch.from_numpy(heard).unflatten(0, (len(keys), -1))

    def _polished(self, sound: Mono, frames: int) -> Mono:
        """Return a decoded sound as `extract` would hand it out, in its window again."""
        polished = polish(sound, self.codec.identity.sample_rate)
        return fit_window(polished.audio, frames, self.codec.identity.hop).audio

    def _chosen(self, instrument: str, keys: Sequence[str], tried: Tensor) -> Tensor:
        """Return of the answers to some pairs' mixtures [n, tries, samples] those that `extract` would take."""
        samples, rate = self.family.windows[MIX] * self.codec.identity.hop, self.codec.identity.sample_rate
        chosen = []
        for key, answers in zip(keys, tried, strict=True):
            mixture = torch.from_numpy(_sound(read_pair(self.out, key), MIX, samples))
            judged = score_candidates(instrument, answers, mixture[None], [0] * len(answers), rate)
            chosen.append(answers[judged.apart.argmin()])
        return torch.stack(chosen)

    def _mixture(self, key: str) -> np.ndarray:
        return decode_codes(read_pair_tokens(self.out, key, self.family)[f"{MIX}.npy"], f"{key}.{MIX}.npy")


def _nearest_to_all(sounds: Tensor) -> Tensor:
    """Return of several sounds [n, samples] the one that is nearest to all."""
    return sounds[distance_from_mean(sounds).argmin()]
