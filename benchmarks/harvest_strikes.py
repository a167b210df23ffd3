"""Train and measure the small network by which a harvest tells one drum from several that are struck at once.

    python benchmarks/harvest_strikes.py --library LIB.csv --out FILE.npz

LIB.csv is the manifest of a library of one-shots. Examples are made of its sounds under permissive licences, and of the
built-in kit: half of them hold one drum, half two or three that begin within 20 ms, with tails of earlier sounds,
noise, rooms, missing highs, and early ends, as cuts from performances have them. The table that is printed is of a
network that learned from the train split and hears the other splits; the one that is written learns from all. Takes two
minutes on one core.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline import api
from rmod_pipeline.audio import db_to_gain
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.harvest.describing.describe import RATE, describe_hit
from rmod_pipeline.curation.harvest.describing.strikes import StrikesNet, save_strikes_net
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.licences.selection import parse_licence_class, select_by_class
from rmod_pipeline.library.manifest import SPLITS
from rmod_pipeline.library.read import AudioStore, resample

WEIGHTS = {"kick": 4.0, "snare": 4.0, "hihat": 3.0, "open_hihat": 1.0, "tom": 1.5, "cymbal": 1.5}
"""How often a kind is drawn; 0.7 for any other."""
BACKING = ("bass", "piano", "guitar", "vocal")
HIDDEN = (96, 32)
PENALTY, PASSES = 1.0, 15
LENGTH = round(0.7 * RATE)
SPREAD_SECONDS = 0.02
"""Drums that begin within this time count as struck at once."""

Sounds = dict[str, dict[str, list[Mono]]]
"""By kit and by kind."""


def main() -> None:
    """Train, measure and write the network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, help="the manifest of a library of one-shots")
    parser.add_argument("--out", type=Path, help="the file for the weights; without it they are only measured")
    parser.add_argument("--examples", type=int, default=12_000, help="examples to train on")
    parser.add_argument("--without", action="append", default=[], metavar="TEXT", help="leave out sources with TEXT")
    parser.add_argument("--licences", default="permissive", help="class of licences to train on")
    arguments = parser.parse_args()
    libraries = [
        select_by_class(api.open_library(arguments.library), parse_licence_class(arguments.licences)),
        api.open_library("builtin"),
    ]
    parts = {"train": ("train",), "held out": ("valid", "test"), "all": SPLITS}
    sounds = {part: read_sounds(libraries, splits, arguments.without) for part, splits in parts.items()}
    for part, by_kit in sounds.items():
        print(f"{part}: {sum(len(each) for kinds in by_kit.values() for each in kinds.values())} sounds")
    network = train(*make_examples(sounds["train"], arguments.examples, "train"))
    print_table(network, *make_examples(sounds["held out"], max(arguments.examples // 4, 500), "held out"))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        save_strikes_net(train(*make_examples(sounds["all"], arguments.examples, "all")), arguments.out)


def read_sounds(libraries: list[api.Library], splits: tuple[str, ...], without: list[str]) -> Sounds:
    """Return the drum sounds of some splits, mono at ``RATE``, with a peak of 1."""
    sounds: Sounds = defaultdict(lambda: defaultdict(list))
    for library in libraries:
        store = AudioStore(library, RATE, cache_bytes=0)
        for asset in library.assets:
            if asset.split in splits and asset.kind not in BACKING and not is_left_out(asset, without):
                try:
                    mono = store.read(asset.id).mean(axis=0)[: 2 * RATE]
                except AssetError:
                    continue
                largest = float(np.abs(mono).max(initial=0))
                if largest > 0.001 and mono.size > 400:
                    kind = "open_hihat" if asset.kind == "openhat" else asset.kind
                    sounds[asset.kit or asset.group][kind].append(mono / largest)
    return {kit: dict(kinds) for kit, kinds in sorted(sounds.items())}


def is_left_out(asset: Asset, without: list[str]) -> bool:
    """Return whether the source or the path of a sound has one of the texts."""
    return any(text.lower() in f"{asset.source} {asset.path} {asset.kit}".lower() for text in without)


def make_examples(sounds: Sounds, count: int, name: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return descriptions [count, values], and whether each is of several drums."""
    described, labels = [], []
    for index in range(count):
        draw = Draw.of("strikes", name, index)
        audio, stop, several = make_example(sounds, draw)
        described.append(describe_hit(audio[:stop], RATE, 0))
        labels.append(several)
    return np.stack(described), np.array(labels)


def make_example(sounds: Sounds, draw: Draw) -> tuple[Mono, int, bool]:
    """Return a hit [samples] from its attack on, its end, and whether it is of several drums."""
    kit = draw.at("kit").pick(list(sounds))
    other_kit = draw.at("other kit").pick(list(sounds))
    kind = pick_kind(list(sounds[kit]), draw.at("kind"))
    audio = np.zeros(LENGTH, np.float32)
    add(audio, draw.at("sound").pick(sounds[kit][kind]), 0, 1.0)
    several = draw.at("several").chance(0.5)
    if several:
        used = {kind}
        for number in range(2 if draw.at("three").chance(0.15) else 1):
            strike = draw.at("strike", number)
            used |= {add_strike(audio, sounds, (kit, other_kit), used, strike)}
        several = len(used) > 1
    audio = add_surroundings(audio, sounds[other_kit], draw.at("surroundings"))
    stop = round(RATE * 0.06 * 10 ** draw.at("stop").uniform())
    return audio, stop, several


def add_strike(audio: Mono, sounds: Sounds, kits: tuple[str, str], used: set[str], draw: Draw) -> str:
    """Add a sound of a kind that is not used, of the first or the second kit; return its kind."""
    for name in kits if draw.at("same kit").chance(0.7) else kits[::-1]:
        kinds = [kind for kind in sounds[name] if kind not in used and not {kind, *used} >= {"hihat", "open_hihat"}]
        if kinds:
            kind = pick_kind(kinds, draw.at("kind"))
            start = round(SPREAD_SECONDS * RATE * draw.at("start").uniform())
            add(audio, draw.at("sound").pick(sounds[name][kind]), start, db_to_gain(-15 + 27 * draw.at("db").uniform()))
            return kind
    return next(iter(used))


def add_surroundings(audio: Mono, tails: dict[str, list[Mono]], draw: Draw) -> Mono:
    """Add what is around a hit in a performance: a tail, a room, noise; or take its highs."""
    if draw.at("tail").chance(0.5):
        sound = draw.at("tail sound").pick(tails[draw.at("tail kind").pick(list(tails))])
        tail = sound[round(RATE * (0.08 + 0.4 * draw.at("tail time").uniform())) :]
        start = float(np.abs(tail[:1000]).max(initial=0))
        if start > 1e-5:
            wanted = float(np.abs(audio).max()) * db_to_gain(-15 - 40 * draw.at("tail db").uniform())
            add(audio, tail, 0, min(wanted / start, 3.0))
    noise = np.random.default_rng(draw.at("noise").below(2**32))
    if draw.at("room").chance(0.3):
        seconds = 0.05 + 0.3 * draw.at("room seconds").uniform()
        decay = np.exp(-6.9 * np.arange(LENGTH // 2) / (seconds * RATE))
        room = noise.standard_normal(LENGTH // 2) * decay
        room *= db_to_gain(-25 + 17 * draw.at("room db").uniform()) / np.sqrt((room**2).sum())
        size = 2 * LENGTH
        wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(room, size), size)[:LENGTH]
        audio = (audio + wet).astype(np.float32)
    hiss = db_to_gain(-55 - 45 * draw.at("noise db").uniform())
    audio = audio + (hiss * noise.standard_normal(LENGTH)).astype(np.float32)
    if draw.at("dull").chance(0.2):
        rate = draw.at("rate").pick([8_000, 11_025, 16_000, 22_050, 32_000])
        audio = resample(resample(audio[None], RATE, rate), rate, RATE)[0]
    return audio


def pick_kind(kinds: list[str], draw: Draw) -> str:
    """Return one of the kinds, by their weights."""
    weights = np.cumsum([WEIGHTS.get(kind, 0.7) for kind in kinds])
    return kinds[int(np.searchsorted(weights, draw.uniform() * weights[-1], side="right"))]


def add(audio: Mono, sound: Mono, start: int, gain: float) -> None:
    """Add a sound at a sample."""
    length = min(sound.size, audio.size - start)
    audio[start : start + length] += gain * sound[:length]


def train(described: NDArray[np.uint8], labels: NDArray[np.bool_]) -> StrikesNet:
    """Return the network that fits the examples."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    values = described.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1.0
    # Few passes and a strong penalty: there are many examples, but of few kits, which must not be learned by heart.
    network = MLPClassifier(HIDDEN, alpha=PENALTY, max_iter=PASSES, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        network.fit((values - mean) / deviation, labels)
    return StrikesNet(
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
        weights=tuple(each.astype(np.float32) for each in network.coefs_),
        biases=tuple(each.astype(np.float32) for each in network.intercepts_),
    )


def print_table(network: StrikesNet, described: NDArray[np.uint8], labels: NDArray[np.bool_]) -> None:
    """Print how many hits of one and of several drums the network takes for one drum, by its probability."""
    chances = network.chances_of_several(described)
    print("| chance of several, at most | of hits of one drum | of hits of several drums |\n|---|---|---|")
    for most in (0.1, 0.2, 0.3, 0.4, 0.5):
        print(f"| {most} | {(chances[~labels] <= most).mean():.0%} | {(chances[labels] <= most).mean():.0%} |")


if __name__ == "__main__":
    main()
