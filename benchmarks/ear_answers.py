"""How near answers are to the true one-shots: sounds that the ear picks, and those that DOSE generates.

    python benchmarks/ear_answers.py --data OUT [--data OUT ...] --library CSV [--checkpoint NAME=DIR] [--split test]
                                     [--ear FILE] [--pairs N] [--tries 16]

The tables of docs/lab/ear.md, as Markdown: the mean spectral distance to the true one-shot (0 is equal), and in how
many pairs the answer to the pair's own mixture is nearer than the answer to another's. Sounds are picked from the
train split of the library, so none of them is in a test kit. OUT is a data set with audio and a train split, from which
the most usual one-shot is taken. "Most similar" is the sound that is most like what the ear heard, without regard to
others. The tries of a DOSE checkpoint are ranked in three ways: by the sum of their unlikeness to what the ear expects
and of their distance from the mean of all tries (as `rmod extract --answer generated` does), by that distance alone,
and by the ear alone (as `--answer both` does). Intervals: 95 %, by drawing kits again. Takes two seconds per pair, and
more for each checkpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import rmod_pipeline as rmod
from rmod_pipeline.codec.spectral_distance import distance_from_mean, spectral_distance
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.codec.window import Mono, fit_window, target_frames
from rmod_pipeline.extraction.answers.generate import generate_candidates
from rmod_pipeline.extraction.answers.pick import SoundBank, score_candidates_by_ear
from rmod_pipeline.extraction.answers.ranking import rank_by_ear, rank_generated
from rmod_pipeline.extraction.listening.ear import open_ear
from rmod_pipeline.extraction.open import open_answerers
from rmod_pipeline.extraction.results import ExtractionConfig, Window
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.reading.data_set import DataPair

PICKED, SIMILAR, TYPICAL, CODED = "picked", "most similar", "most usual", "codec of the truth"
BEST = "the known sound that is nearest to the truth"
PERFECT = "picked, if the ear expected the true spectrum"
GENERATED, AGREED, HEARD = "ranked by its tries and the ear", "ranked by its tries", "ranked by the ear"
RESAMPLES = 2000
USUAL_OF = 64
"""Train one-shots of which the most usual is the one nearest to all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers of one system to the pairs of a split, for one drum."""

    own: NDArray[np.float64]
    """Distance of the answer to its own mixture from the truth: [pairs]."""
    others: NDArray[np.float64]
    """Distance of the answer to the pair before it: [pairs]."""


def main() -> None:
    """Print a table per data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="a data set with audio; repeatable")
    parser.add_argument("--library", type=Path, required=True, help="its train split is picked from")
    parser.add_argument("--split", default="test")
    parser.add_argument("--ear", type=Path, help="default: the ear that rmod ships")
    parser.add_argument("--pairs", type=int, help="only the first ones")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="NAME=DIR", help="DOSE models; repeatable")
    parser.add_argument("--tries", type=int, default=16, help="tries of a checkpoint beside the greedy one")
    parser.add_argument("--best", action="store_true", help="also the best that picks could be")
    arguments = parser.parse_args()
    use_threads(1)
    ear, library = open_ear(arguments.ear), keep_train(load_library(str(arguments.library)))
    for data in arguments.data:
        pairs = list(islice(rmod.open_dataset(data).pairs(arguments.split), arguments.pairs))
        usual = list(islice(rmod.open_dataset(data).pairs("train"), USUAL_OF))
        print(f"\n{data}, {arguments.split}: {len(pairs)} pairs\n")
        print("| | distance | interval | own nearer than another's | interval | kits |\n|---|---|---|---|---|---|")
        for kind in ear.instruments:
            kits = np.array([kit_of(pair, kind) for pair in pairs])
            bank = SoundBank.of(ear, AudioStore(library, ear.features.sample_rate, 2**29), kind)
            for system, answers in answer(bank, pairs, usual).items():
                print_row(f"{kind}, {system}", answers, kits)
            if arguments.best:
                for system, answers in answer_best(bank, pairs).items():
                    print_row(f"{kind}, {system}", answers, kits)
            for name, folder in (model.split("=", 1) for model in arguments.checkpoint):
                for system, answers in answer_with(Path(folder), bank, pairs, arguments.tries).items():
                    print_row(f"{kind}, {system.format(name)}", answers, kits)


def keep_train(library: Library) -> Library:
    """Return the sounds of the train split."""
    return replace(library, assets=tuple(asset for asset in library.assets if asset.split == "train"))


def kit_of(pair: DataPair, kind: str) -> str:
    """Return the kit of the loudest layer of a pair's one-shot."""
    return next(source["kit"] or source["id"] for source in pair.sources if source["kind"] == kind)


def answer(bank: SoundBank, pairs: Sequence[DataPair], usual: Sequence[DataPair]) -> dict[str, Answers]:
    """Return the answers of every system for one drum, but of models."""
    ear, kind = bank.ear, bank.instrument
    true = torch.from_numpy(np.stack([one_shot(pair, kind) for pair in pairs]))
    picked, similar = [], []
    for pair in pairs:
        heard = ear.describe_windows(kind, [pair.mix.mean(0)])
        picked.append(fit(bank.pick(heard, 1)[0].audio, kind))
        similar.append(fit(bank.nearest(heard, 1)[0].audio, kind))
    known = torch.from_numpy(np.stack([one_shot(pair, kind) for pair in usual]))
    typical = known[distance_from_mean(known).argmin()].expand_as(true)
    answers = {PICKED: np.stack(picked), SIMILAR: np.stack(similar)}
    compared = {system: compare(torch.from_numpy(sounds), true) for system, sounds in answers.items()}
    return {**compared, TYPICAL: compare(typical, true)}


def answer_best(bank: SoundBank, pairs: Sequence[DataPair]) -> dict[str, Answers]:
    """Return the answers of one who knows the truth, and of the pick of an ear that expects its spectrum.

    The first may only pick a known sound as it is; the second layers and varies, as `rmod extract` does.
    """
    true = torch.from_numpy(np.stack([one_shot(pair, bank.instrument) for pair in pairs]))
    known = [fit(bank.store.read(asset.id).mean(0), bank.instrument) for asset in bank.assets]
    known = [sound / max(float(np.abs(sound).max()), 1e-9) for sound in known]
    distances = [spectral_distance(torch.from_numpy(sound).expand_as(true), true).numpy() for sound in known]
    best = np.stack(distances).argmin(0)
    described = (bank.ear.describe_sounds(bank.instrument, [pair.one_shots[bank.instrument].mean(0)]) for pair in pairs)
    perfect = np.stack([fit(bank.pick(each, 1)[0].audio, bank.instrument) for each in described])
    return {
        BEST: compare(torch.from_numpy(np.stack([known[index] for index in best])), true),
        PERFECT: compare(torch.from_numpy(perfect), true),
    }


def answer_with(checkpoint: Path, bank: SoundBank, pairs: Sequence[DataPair], tries: int) -> dict[str, Answers]:
    """Return the answers of a DOSE model for one drum, ranked in three ways, and its codec's copies of the truth."""
    ear, kind = bank.ear, bank.instrument
    answerers = open_answerers("generated", checkpoint=checkpoint, instruments=(kind,), device="cpu")
    codec, extractor = answerers.codec, answerers.extractors[kind]
    assert codec is not None
    config = ExtractionConfig(answer="generated", tries=tries, batch=tries + 1, windows=1)
    true = torch.from_numpy(np.stack([one_shot(pair, kind) for pair in pairs]))
    ranked: dict[str, list[Mono]] = {GENERATED: [], AGREED: [], HEARD: []}
    rate = codec.identity.sample_rate
    for pair in pairs:
        samples = extractor.window_samples(codec.identity)
        audio = fit_window(pair.mix.mean(0).astype(np.float32), samples // codec.identity.hop, codec.identity.hop).audio
        window = Window(seconds=0.0, clarity_db=None, hits=(), audio=audio)
        made = generate_candidates(extractor, [window], codec, config, lambda _count: None)
        heard = ear.describe_windows(kind, [pair.mix.mean(0)])
        scored = score_candidates_by_ear(ear, kind, heard, made)
        compared = target_frames(kind) * codec.identity.hop
        ranked[GENERATED].append(fit(rank_generated(scored, kind, [window], rate, compared)[0].audio, kind))
        ranked[AGREED].append(fit(rank_generated(made, kind, [window], rate, compared)[0].audio, kind))
        ranked[HEARD].append(fit(rank_by_ear(scored)[0].audio, kind))
    coded = codec.decode(codec.encode(true.numpy()))
    answers = {f"{{}}, {name}": np.stack(sounds) for name, sounds in ranked.items()}
    answers[CODED] = coded[:, : true.shape[1]]
    return {system: compare(torch.from_numpy(sounds), true) for system, sounds in answers.items()}


def compare(answers: torch.Tensor, true: torch.Tensor) -> Answers:
    """Return the distances of answers [pairs, samples] from the truth."""
    return Answers(
        own=spectral_distance(answers, true).double().numpy(),
        others=spectral_distance(answers.roll(1, 0), true).double().numpy(),
    )


def one_shot(pair: DataPair, kind: str) -> Mono:
    """Return the true one-shot of a pair in the window of its kind, mono: [samples]."""
    return fit(pair.one_shots[kind].mean(0), kind)


def fit(sound: Mono, kind: str) -> Mono:
    """Return a sound in the window of its kind: [samples]."""
    return fit_window(sound.astype(np.float32), target_frames(kind), 512).audio


def print_row(name: str, answers: Answers, kits: NDArray[np.str_]) -> None:
    """Print the means of one system, with intervals over kits."""
    nearer = np.where(answers.own < answers.others, 100.0, 0.0)
    low, high = interval(answers.own, kits)
    share = f"{nearer.mean():.0f} % | {' to '.join(f'{end:.0f}' for end in interval(nearer, kits))}"
    share = "| " if TYPICAL in name or CODED in name else share
    print(f"| {name} | {answers.own.mean():.3f} | {low:.3f} to {high:.3f} | {share} | {len(set(kits))} |")


def interval(values: NDArray[np.float64], kits: NDArray[np.str_]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values [pairs], from kits drawn again with replacement."""
    draw = np.random.default_rng(0)
    names = sorted(set(kits))
    sums = np.array([values[kits == name].sum() for name in names])
    counts = np.array([(kits == name).sum() for name in names])
    drawn = draw.integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
