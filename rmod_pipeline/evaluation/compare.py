"""Compare a model with simpler ways to guess a one-shot, on pairs of a split that it was not trained on.

The systems:

extracted      the model's answer to the mixture, decoded: of several tries the one that `extract` would choose
another's      the model's answer to another pair's mixture: the result of a model that ignores the mixture
agreed         of the tries the one nearest to all, without listening to the mixture again
greedy         the most likely token each time
chance         a one-shot of the same kind from the training split: real recordings, chosen without the mixture
typical        of 64 such one-shots the one nearest to all, for every pair: the best guess without the mixture
coded chance   chance, encoded and decoded: a guess in tokens, as the model must give, without the mixture
codec          the true one-shot, encoded and decoded: the best possible answer in tokens
silence        silence
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec import Codec, fit_window, mix_to_mono
from rmod_pipeline.codec.spectral_distance import distance_from_mean, spectral_distance
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model
from rmod_pipeline.dose.condition import Condition, compute_levels
from rmod_pipeline.dose.generation import Sampling, generate
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ShardError
from rmod_pipeline.extraction.answers.generate import plan_tries
from rmod_pipeline.extraction.answers.pick import score_descriptions
from rmod_pipeline.extraction.answers.polish import polish
from rmod_pipeline.extraction.answers.ranking import score_candidates
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.extraction.open import open_ear_for
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.reading.pairs import StoredPair, list_keys, read_pair, read_pair_tokens
from rmod_pipeline.shards.members import MIX, decode_audio, find_audio_member
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location

EXTRACTED, ANOTHERS, AGREED, GREEDY, CHANCE, TYPICAL, CODED_CHANCE, CODEC, SILENCE = SYSTEMS = (
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
"""Sampled tries, in addition to the greedy one."""
TYPICAL_OF = 64
"""Training one-shots from which the typical one is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Distances to the true one-shots of one instrument, for each pair."""

    instrument: str
    keys: tuple[str, ...]
    distances: dict[str, tuple[float, ...]]
    """By system: the distance for each key."""

    def mean(self, system: str) -> float:
        """Return the mean distance of a system."""
        return float(np.mean(self.distances[system]))

    def nearer_than(self, system: str) -> float:
        """Return the share of pairs, 0..1, whose extracted one-shot is nearer to the true one than the system's."""
        pairs = zip(self.distances[EXTRACTED], self.distances[system], strict=True)
        return float(np.mean([extracted < compared for extracted, compared in pairs]))


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
    """Yield a comparison for each instrument of a model, over a split's pairs or its first ``most`` pairs.

    The data set must contain audio. Raises ShardError, and CodecError for a model trained on another codec's tokens.
    """
    checkpoint.require_codec(codec.identity)
    keys, train_keys = _list_all_keys(out, split)[:most], _list_all_keys(out, "train")
    samplings = plan_tries(ExtractionConfig(tries=tries))
    model = load_dose_model(checkpoint).to(codec.device)
    guesser = _Guesser(out, checkpoint, model, codec, family, samplings, open_ear_for(codec))
    for instrument in checkpoint.instruments:
        yield _compare_instrument(
            instrument,
            guesser,
            keys,
            draw=Draw.of("evaluation", split).at(instrument),
            train_keys=train_keys,
            on_pairs=on_pairs,
        )


def _compare_instrument(
    instrument: str,
    guesser: _Guesser,
    keys: Sequence[str],
    *,
    draw: Draw,
    train_keys: Sequence[str],
    on_pairs: Callable[[int], None],
) -> Comparison:
    distances: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    indices = [draw.at("typical", number).below(len(train_keys)) for number in range(TYPICAL_OF)]
    typical = guesser.choose_typical(instrument, [train_keys[index] for index in indices])
    previous: Tensor | None = None
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        indices = [draw.at(key).below(len(train_keys)) for key in batch]
        one_shots = guesser.guess(instrument, batch, [train_keys[index] for index in indices])
        extracted = one_shots.guesses[EXTRACTED]
        # Each pair gets the answer to the pair before it; the very first pair gets that to the last of its batch.
        first = extracted[-1:] if previous is None else previous
        previous = extracted[-1:]
        one_shots.guesses[ANOTHERS] = torch.cat([first, extracted[:-1]])
        one_shots.guesses[TYPICAL] = typical.expand_as(one_shots.true)
        for system in SYSTEMS:
            distances[system] += spectral_distance(one_shots.guesses[system], one_shots.true).tolist()
        on_pairs(len(batch))
    by_system = {system: tuple(values) for system, values in distances.items()}
    return Comparison(instrument=instrument, keys=tuple(keys), distances=by_system)


def _list_all_keys(out: Location, split: str) -> list[str]:
    """Return the keys of a split. Raises ShardError if there are none."""
    keys = list_keys(out, split)
    if not keys:
        raise ShardError(
            f"{out}, split {split}",
            "all of its pairs were rejected",
            "build a data set with more pairs of this split, in another folder",
        )
    return keys


def _encode_and_decode(sounds: Tensor, codec: Codec) -> Tensor:
    """Return sounds [n, samples] after the codec's encoder and decoder."""
    return torch.from_numpy(codec.decode(codec.encode(sounds.numpy()))[:, : sounds.shape[1]])


def _read_one_shots(out: Location, keys: Sequence[str], kind: str, samples: int) -> Tensor:
    """Return the true one-shots of pairs in windows of equal length: [n, samples]."""
    return torch.from_numpy(np.stack([_decode_sound(read_pair(out, key), kind, samples) for key in keys]))


def _decode_sound(pair: StoredPair, kind: str, samples: int) -> Mono:
    """Return a sound of a pair, mono, in a window of ``samples`` samples. Raises ShardError if it is not stored."""
    name = find_audio_member(pair.members, kind)
    if name is None:
        found = f"contains no audio of its {kind}"
        built = f"from a recipe with a {kind}" if find_audio_member(pair.members, MIX) else "with audio"
        raise ShardError(pair.key, found, f"evaluate on a data set that was built {built}")
    pcm, _ = decode_audio(pair.members[name], f"{pair.key}.{name}")
    return fit_window(mix_to_mono(pcm), samples, 1).audio


@dataclass(frozen=True, slots=True, kw_only=True)
class _OneShots:
    """True one-shots and guesses at them, each [n, samples]."""

    true: Tensor
    guesses: dict[str, Tensor]
    """By system."""


@dataclass(frozen=True, slots=True)
class _Guesser:
    """Guess one-shots by every system: the model, and what is needed to decode its answers."""

    out: Location
    checkpoint: DoseCheckpoint
    model: Dose
    codec: Codec
    family: TokenFamily
    tries: Sequence[Sampling]
    """The greedy one first."""
    ear: OpenedEar | None
    """The ear that `extract` would rank tries with."""

    def guess(self, instrument: str, keys: Sequence[str], chance_keys: Sequence[str]) -> _OneShots:
        """Return true one-shots and guesses of all systems but ANOTHERS and TYPICAL; CHANCE uses ``chance_keys``."""
        samples = self._samples(instrument)
        true, chance = (_read_one_shots(self.out, some, instrument, samples) for some in (keys, chance_keys))
        answers = self._answer(instrument, keys)
        guesses = {
            EXTRACTED: self._choose_answers(instrument, keys, answers),
            AGREED: torch.stack([_nearest_to_all(tries) for tries in answers]),
            GREEDY: answers[:, 0],
            CHANCE: chance,
            CODED_CHANCE: _encode_and_decode(chance, self.codec),
            CODEC: _encode_and_decode(true, self.codec),
            SILENCE: torch.zeros_like(true),
        }
        return _OneShots(true=true, guesses=guesses)

    def choose_typical(self, instrument: str, keys: Sequence[str]) -> Tensor:
        """Return the one-shot [samples] of these pairs that is nearest to all."""
        return _nearest_to_all(_read_one_shots(self.out, keys, instrument, self._samples(instrument)))

    def _samples(self, instrument: str) -> int:
        """Return the length of a one-shot's window in samples."""
        return self.checkpoint.recipe.frames(instrument) * self.codec.identity.hop

    def _answer(self, instrument: str, keys: Sequence[str]) -> Tensor:
        """Return the model's answers to the mixtures of pairs: [n, tries, samples]."""
        device = self.codec.device
        condition = self._read_condition(keys).map(lambda part: part.to(device))
        several = len(self.checkpoint.instruments) > 1
        index = self.checkpoint.class_index(instrument)
        classes = torch.full((len(keys),), index, device=device) if several else None
        frames = self.checkpoint.recipe.frames(instrument)
        generated = generate(self.model, condition, frames, self.tries, instruments=classes)
        decoded = self.codec.decode(generated.codes.flatten(0, 1).cpu().numpy().astype(np.uint16))
        polished = np.stack([self._polish(audio, frames) for audio in decoded])
        answers: Tensor = torch.from_numpy(polished).unflatten(0, (len(keys), -1))
        return answers

    def _polish(self, audio: Mono, frames: int) -> Mono:
        """Return a decoded sound as `extract` would write it, back in its window."""
        polished = polish(audio, self.codec.identity.sample_rate)
        return fit_window(polished.audio, frames, self.codec.identity.hop).audio

    def _choose_answers(self, instrument: str, keys: Sequence[str], answers: Tensor) -> Tensor:
        """Return [n, samples]: of answers [n, tries, samples] to the mixtures of pairs those that `extract` chooses."""
        rate, chosen = self.codec.identity.sample_rate, []
        for key, tries in zip(keys, answers, strict=True):
            mixture = self._read_mixture(key)
            unlikeness = self._measure_unlikeness(instrument, mixture, tries)
            music = torch.from_numpy(mixture)[None]
            scores = score_candidates(instrument, tries, music, [0] * len(tries), rate, unlikeness=unlikeness)
            chosen.append(tries[scores.distances.argmin()])
        return torch.stack(chosen)

    def _measure_unlikeness(self, instrument: str, mixture: Mono, tries: Tensor) -> Tensor | None:
        """Return how unlike what the ear hears in a mixture the tries [n, samples] are: [n]; None without an ear."""
        if self.ear is None or instrument not in self.ear.instruments:
            return None
        mixture_description = self.ear.describe_windows(instrument, [mixture])
        return score_descriptions(mixture_description, self.ear.describe_sounds(instrument, list(tries.numpy())))[0]

    def _read_condition(self, keys: Sequence[str]) -> Condition:
        """Return what the model is given of mixtures: their stored tokens, or the levels of their audio."""
        if self.model.hearing is not None:
            return Condition(levels=compute_levels(self.model.hearing.mel, [self._read_mixture(key) for key in keys]))
        codes = [
            decode_codes(read_pair_tokens(self.out, key, self.family)[f"{MIX}.npy"], f"{key}.{MIX}.npy") for key in keys
        ]
        return Condition(tokens=torch.from_numpy(np.stack(codes).astype(np.int64)))

    def _read_mixture(self, key: str) -> Mono:
        """Return the mixture of a pair in its window: [samples]."""
        samples = self.family.windows[MIX] * self.codec.identity.hop
        return _decode_sound(read_pair(self.out, key), MIX, samples)


def _nearest_to_all(sounds: Tensor) -> Tensor:
    """Return of sounds [n, samples] the one [samples] that is nearest to all."""
    return sounds[distance_from_mean(sounds).argmin()]
