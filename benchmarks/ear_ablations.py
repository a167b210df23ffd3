"""What lets a small network hear which drum was played: ears trained alike on other data, or with less to go by.

    python benchmarks/ear_ablations.py --train NAME=OUT [--train NAME=OUT:PAIRS ...] [--untold NAME] [--latents NAME]
        --eval drums=OUT [--eval full=OUT ...] [--split test] [--steps 600] [--seeds 2] --out DIR

Each row is an ear of the recipe, trained from the train split of a data set with features (of its first PAIRS pairs):

- NAME=OUT: as the recipe says.
- --untold NAME: the describer is told no hits, neither known nor heard ones. It pools stretches of the mixture that
  begin every 8 frames. The ear still learns to find hits.
- --latents NAME: the mixture is the codec's latents, summed over the codebooks of its tokens, and not log-mel levels.
  They are not made louder or softer, as log-mel levels are. The one-shots to describe stay log-mel.

All rows are measured on the same data sets, of kits that no training met, with the hits that each ear itself hears:

- variance explained: of the dry one-shots' descriptions, with the mean of every cell and one scale fitted. The interval
  holds 95 % of the values when kits are drawn again; it is of the mean of all seeds.
- rank: where the true one-shot stands among 100 by the distance of descriptions. 1 is best, 50.5 is chance.
- hits: F1 at two frames (23 ms).

Means over seeds, and the least and the most. DIR keeps each training's measurements, so the same command goes on where
it was stopped; give another one after a change of the code. A training of 600 steps takes about six minutes on one
core. Features and tokens are held in memory: 60 kB per pair.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmod_pipeline.codec import Codec, open_codec
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.ear.checkpoint import check_features
from rmod_pipeline.ear.hits import find_hit_frames, find_peaks
from rmod_pipeline.ear.loss import LOSS_PARTS, EarBatch, compute_ear_losses
from rmod_pipeline.ear.model import Description, Ear, HeardMixture, describe_levels
from rmod_pipeline.ear.pooling import PooledHits
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.shards.index import PAIR
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import choose_family
from rmod_pipeline.shards.windows.feature_family import choose_features
from rmod_pipeline.storage import parse_location
from rmod_pipeline.storage.writing import write_text
from rmod_pipeline.training.ear.examples import ExampleMaker, KeyedBatch, collate
from rmod_pipeline.training.loop.optimizer import learning_rate_at, make_optimizer
from rmod_pipeline.training.recipes import load_training_recipe

TOLD, UNTOLD, LATENTS = "", "not told the hits", "latents"
"""The ways in which ears of one data set differ."""
APART = 8
"""Frames from one stretch to the next for an ear that is told no hits."""
BYTE_OF_MEAN, BYTES_PER_DEVIATION = 120, 40
"""How latents become bytes: the network takes 120 for 0."""
TOLERANCE = 2
"""Frames by which a hit may be wrong."""
RESAMPLES = 1000
BATCH = 16
"""Pairs at a time in a measurement."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the tables: what an ear is trained on, and how."""

    data: PairSet
    way: str

    @property
    def name(self) -> str:
        """The name in the tables."""
        return f"{self.data.name}, {self.way}" if self.way else self.data.name


class UntoldEar(Ear):
    """An ear whose describer pools over stretches of the whole mixture, wherever the hits are."""

    def describe(self, heard: HeardMixture, hits: Tensor, classes: Tensor) -> Description:  # noqa: ARG002
        """Describe the one-shots of ``classes`` [n] from all that sounds; see ``Ear.describe``."""
        frames = self.size.description_frames
        description: Description = self.describer(
            pool_stretches(heard.levels, frames), pool_stretches(heard.encoded, frames), classes
        )
        return description


def pool_stretches(maps: Tensor, frames: int) -> PooledHits:
    """Pool maps [n, channels, mixture frames] over stretches of ``frames`` frames that begin every ``APART`` frames.

    All stretches are whole, so that each frame of a description has something to go by. Their share falls evenly, as
    that of hits does: without it nothing would say which frame is which.
    """
    stretches = maps.unfold(2, frames, APART)  # [n, channels, stretches, frames]
    share = torch.linspace(1, 0, frames, device=maps.device).expand(len(maps), 1, -1)
    return PooledHits(stretches.mean(2), stretches.amin(2), share)


class PairSet:
    """Pairs of one split of a data set, read when they are needed and kept."""

    def __init__(self, recipe: EarRecipe, name: str, out: str, split: str, most: int | None) -> None:
        """``most``: use the first pairs only."""
        self.recipe, self.name, self.out, self.split, self.most = recipe, name, parse_location(out), split, most
        self.family = choose_features(self.out)
        hint = "set model.windows and model.bands in the recipe, or make other features"
        check_features(self.family.mel, recipe.model, f"{out}/{self.family.folder}", hint)

    @cached_property
    def examples(self) -> KeyedBatch:
        """All pairs as one batch: log-mel levels of the mixtures, hits, and levels of the one-shots."""
        recipe = self.recipe
        make = ExampleMaker.of(recipe)
        sounds = [MIX, *recipe.instruments]
        pairs = load_features(self.out, self.split, features=self.family.name, sounds=sounds, rank=0, world_size=1)
        batch = collate([example for pair in islice(pairs, self.most) for example in make(0, pair)])
        assert isinstance(batch, KeyedBatch)
        print(f"{self.name}, {self.split}: {len(batch.keys)} pairs", flush=True)
        return batch

    @cache  # noqa: B019 - the sets live as long as the script
    def read_codes(self, codec: Codec) -> NDArray[np.uint16]:
        """Return the tokens of the mixtures: [pairs, codebooks, frames]."""
        pairs = load_tokens(self.out, self.split, codec.name, sounds=[MIX], rank=0, world_size=1)
        chosen = {pair["key"]: pair["codes"][MIX].astype(np.uint16) for pair in islice(pairs, self.most)}
        codes = np.stack(list(chosen.values()))
        if list(chosen) != self.examples.keys or codes.shape[2] != self.examples.levels.shape[3]:
            raise SystemExit(f"{self.out}: tokens of {codec.name} and features are not of the same pairs and frames")
        return codes

    @cached_property
    def kits(self) -> Mapping[str, NDArray[np.str_]]:
        """By instrument: the kit of the loudest layer of each pair's one-shot, or the sound where no kit is known."""
        rows = DataSet(self.out).index(self.split, ["key", "status", "sources"])
        sources = {row["key"]: row["sources"] for row in rows if row["status"] == PAIR}
        return {
            kind: np.array([kit_of(sources[key], kind) for key in self.examples.keys])
            for kind in self.recipe.instruments
        }

    def identify(self, codec: Codec | None) -> dict[str, Any]:
        """Return what identifies the pairs and what is read of them, as JSON types."""
        tokens = {} if codec is None else {"tokens": choose_family(self.out, codec.name).digest()}
        build = {"build": self.family.build, "features": self.family.digest(), **tokens}
        return {**build, "split": self.split, "pairs": self.most}


def kit_of(sources: Sequence[Mapping[str, str]], kind: str) -> str:
    """Return the kit of the loudest layer of a one-shot."""
    return next(source["kit"] or source["id"] for source in sources if source["kind"] == kind)


def main() -> None:
    """Train and measure all ears, and print the tables."""
    options = parse()
    use_threads(options.threads)
    recipe = make_recipe(options)
    trained = {name: PairSet(recipe, name, *where) for name, where in options.trained.items()}
    evaluated = [PairSet(recipe, name, *where) for name, where in options.evaluated.items()]
    codec = open_codec(options.codec, device="cpu") if options.latents else None
    rows = [
        Row(data=trained[name], way=way)
        for way, names in ((TOLD, trained), (UNTOLD, options.untold), (LATENTS, options.latents))
        for name in names
    ]
    # Seed by seed: if it is stopped, all rows have been trained equally often.
    found: dict[str, list[Measured]] = {row.name: [] for row in rows}
    for seed in range(options.seeds):
        for row in rows:
            settings = recipe.model_copy(update={"seed": seed})
            found[row.name].append(measure_row(row, settings, evaluated, codec, options.out))
    for data in evaluated:
        print_tables(data, found)


def parse() -> argparse.Namespace:
    """Return the options; ``trained`` and ``evaluated`` hold location, split and number of pairs by name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = "NAME=OUT[:PAIRS]"
    parser.add_argument("--train", action="append", required=True, metavar=form, help="with features; repeatable")
    parser.add_argument("--eval", action="append", required=True, metavar=form, help="of other kits; repeatable")
    parser.add_argument("--untold", action="append", default=[], metavar="NAME", help="train without hits; repeatable")
    parser.add_argument("--latents", action="append", default=[], metavar="NAME", help="train on latents; repeatable")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the measurements")
    parser.add_argument("--codec", default="mini", help="the codec of the tokens, or its weights")
    parser.add_argument("--recipe", default="ear")
    parser.add_argument("--split", default="test", help="the split to measure on")
    parser.add_argument("--pairs", type=int, help="train on the first pairs only, where OUT has no number")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2, help="number of trainings of each row")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.trained = {name: (out, "train", most or options.pairs) for name, out, most in parse_sets(options.train)}
    options.evaluated = {name: (out, options.split, most) for name, out, most in parse_sets(options.eval)}
    for name in (*options.untold, *options.latents):
        if name not in options.trained:
            parser.error(f"{name}: there is no --train {name}=OUT")
    return options


def parse_sets(texts: Sequence[str]) -> Iterator[tuple[str, str, int | None]]:
    """Yield the name, location and number of pairs of each NAME=OUT or NAME=OUT:PAIRS."""
    for text in texts:
        match = re.fullmatch(r"([^=]+)=(.+?)(?::(\d+))?", text)
        if match is None:
            raise SystemExit(f"{text}: give NAME=OUT or NAME=OUT:PAIRS")
        yield match[1], match[2], int(match[3]) if match[3] else None


def make_recipe(options: argparse.Namespace) -> EarRecipe:
    """Return the recipe with another number of steps."""
    recipe = load_training_recipe(options.recipe)
    if not isinstance(recipe, EarRecipe):
        raise SystemExit(f"{options.recipe}: give a recipe of an ear")
    content = recipe.model_dump(mode="json")
    warm_up = min(recipe.schedule.warm_up_steps, options.steps // 4)
    content["schedule"] |= {"steps": options.steps, "warm_up_steps": warm_up}
    return EarRecipe.model_validate(content)


Measured = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By data set and instrument: ``explained``, its values for kits drawn again as ``redrawn``, ``rank`` and ``f1``."""


def measure_row(
    row: Row, recipe: EarRecipe, evaluated: Sequence[PairSet], codec: Codec | None, folder: Path
) -> Measured:
    """Return the measurements of an ear: those that the folder keeps, or else of a new training."""
    codec = codec if row.way == LATENTS else None
    settings = {
        "way": row.way,
        "recipe": recipe.model_dump(mode="json"),
        "train": row.data.identify(codec),
        "eval": {data.name: data.identify(codec) for data in evaluated},
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', row.name.lower())}-seed{recipe.seed}-{digest}.json"
    if not path.exists():
        measured = train_and_measure(row, recipe, evaluated, codec)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"row": row.name, "settings": settings, "measured": measured}, indent=1))
    stored: Measured = json.loads(path.read_text(encoding="utf-8"))["measured"]
    for name, kinds in stored.items():
        parts = [f"{kind} {values['explained']:.3f}" for kind, values in kinds.items()]
        print(f"{row.name}, seed {recipe.seed}, variance explained of {name}: {', '.join(parts)}", flush=True)
    return stored


def train_and_measure(row: Row, recipe: EarRecipe, evaluated: Sequence[PairSet], codec: Codec | None) -> Measured:
    """Train an ear, and measure it on all data sets."""
    train = row.data.examples
    to_levels = None
    if codec is not None:
        to_levels = LatentLevels.of(codec, row.data)
        train = train._replace(levels=to_levels(row.data))
        recipe = hear_latents(recipe, to_levels)
    make = UntoldEar if row.way == UNTOLD else Ear
    ear = train_ear(make, recipe, train, f"{row.name}, seed {recipe.seed}")
    measured = {}
    for data in evaluated:
        batch = data.examples if to_levels is None else data.examples._replace(levels=to_levels(data))
        measured[data.name] = measure(ear, batch, data)
    return measured


def hear_latents(recipe: EarRecipe, latents: LatentLevels) -> EarRecipe:
    """Return a recipe for an ear that is given latents: they are the bands of one window."""
    bands = latents.vectors.shape[2]
    if bands != recipe.model.bands:
        raise SystemExit(f"{bands} latent dimensions of the codec: a description needs {recipe.model.bands}")
    content = recipe.model_dump(mode="json")
    content["model"]["windows"] = 1
    content["loss"]["gain_steps"] = 0
    return EarRecipe.model_validate(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentLevels:
    """Turns the tokens of mixtures into latents as bytes, as far as they go from the mean of the train split."""

    codec: Codec
    vectors: NDArray[np.float32]
    """[codebooks, entries, dimensions]"""
    mean: Array
    """[dimensions, 1]"""
    deviation: Array
    """[dimensions, 1]"""

    @classmethod
    def of(cls, codec: Codec, train: PairSet) -> LatentLevels:
        """Return the means and deviations of the dimensions over all pairs of a set."""
        vectors = codec.codebooks().latents
        sums, squares, count = np.zeros(vectors.shape[2]), np.zeros(vectors.shape[2]), 0
        for codes in train.read_codes(codec):
            latents = sum_latents(vectors, codes).astype(np.float64)
            sums += latents.sum(1)
            squares += np.square(latents).sum(1)
            count += latents.shape[1]
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
        return cls(codec=codec, vectors=vectors, mean=mean[:, None], deviation=deviation[:, None])

    def __call__(self, data: PairSet) -> Tensor:
        """Return the latents of mixtures as bytes: uint8 [pairs, 1, dimensions, frames]."""
        return torch.from_numpy(np.stack([self._to_bytes(codes) for codes in data.read_codes(self.codec)]))

    def _to_bytes(self, codes: NDArray[np.uint16]) -> NDArray[np.uint8]:
        deviations = (sum_latents(self.vectors, codes) - self.mean) / self.deviation
        return np.clip(np.rint(BYTE_OF_MEAN + BYTES_PER_DEVIATION * deviations), 0, 255).astype(np.uint8)[None]


def sum_latents(vectors: NDArray[np.float32], codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the latents [dimensions, frames] of codes [codebooks, frames]."""
    latents: NDArray[np.float32] = vectors[np.arange(len(codes))[:, None], codes].sum(0).T
    return latents


def train_ear(make: type[Ear], recipe: EarRecipe, train: KeyedBatch, about: str) -> Ear:
    """Train an ear on pairs that are drawn anew at every step, no pair twice in one; print the losses now and then."""
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    ear, schedule = make(recipe.model, recipe.instruments).train(), recipe.schedule
    optimizer = make_optimizer(ear, schedule, ear)
    start, sums = time.perf_counter(), torch.zeros(len(LOSS_PARTS))
    every = min(100, schedule.steps)
    for step in range(schedule.steps):
        chosen = torch.from_numpy(draw.choice(len(train.keys), min(schedule.batch, len(train.keys)), replace=False))
        losses = compute_ear_losses(ear, choose(train, chosen), recipe.loss)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(schedule, step)
        optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(ear.parameters(), schedule.clip)
        optimizer.step()
        sums += torch.stack([losses.parts[name].detach().mean() for name in LOSS_PARTS])
        if (step + 1) % every == 0:
            parts = ", ".join(f"{name} {value:.3f}" for name, value in zip(LOSS_PARTS, sums / every, strict=True))
            pace = (time.perf_counter() - start) / (step + 1)
            print(f"{about}, step {step + 1}: {parts} ({pace:.2f} s per step)", flush=True)
            sums.zero_()
    return ear.eval()


def choose(pairs: KeyedBatch, chosen: Tensor | slice) -> EarBatch:
    """Return some of the pairs."""
    return EarBatch(levels=pairs.levels[chosen], hits=pairs.hits[chosen], targets=pairs.targets[chosen])


def measure(ear: Ear, pairs: KeyedBatch, data: PairSet) -> dict[str, dict[str, Any]]:
    """Return the measurements of an ear on all pairs, by instrument."""
    heard, true, peaks = hear_all(ear, pairs)
    measured = {}
    for number, kind in enumerate(data.recipe.instruments):
        explained = ExplainedVariance(heard[number], true[number])
        weights = draw_kits(data.kits[kind])
        measured[kind] = {
            "explained": explained.of(np.ones((1, len(weights[0])))).item(),
            "redrawn": [round(value, 5) for value in explained.of(weights).tolist()],
            "rank": mean_rank(heard[number], true[number]),
            "f1": compare_hits(peaks[number], pairs.hits[:, number]),
        }
    return measured


@torch.no_grad()
def hear_all(ear: Ear, pairs: KeyedBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return heard and true descriptions [instruments, pairs, cells], and peaks [instruments, pairs, frames]."""
    heard, true, peaks = [], [], []
    instruments, frames = pairs.hits.shape[1], ear.size.description_frames
    for start in range(0, len(pairs.keys), BATCH):
        batch = choose(pairs, slice(start, start + BATCH))
        mixtures = ear.listen(batch.levels)
        hits = find_hit_frames(mixtures.hit_logits, batch.hits.shape[2])
        classes = torch.arange(instruments)[:, None].expand(-1, len(batch.levels))
        heard.append(torch.stack([ear.describe(mixtures, hits[:, i], classes[i]).levels for i in range(instruments)]))
        true.append(torch.stack([describe_levels(batch.targets[:, i], frames) for i in range(instruments)]))
        peaks.append(find_peaks(mixtures.hit_logits).transpose(0, 1))
    return torch.cat(heard, 1).flatten(2), torch.cat(true, 1).flatten(2), torch.cat(peaks, 1)


class ExplainedVariance:
    """How much of the variance of the truth is explained, for pairs that count more or less often."""

    def __init__(self, heard: Tensor, true: Tensor) -> None:
        """Take descriptions [pairs, cells] of the same pairs."""
        x, y = (values.double().numpy() for values in (heard - heard.mean(0), true - true.mean(0)))
        self._products = {"xx": x @ x.T, "xy": x @ y.T, "yy": y @ y.T}

    def of(self, weights: Array) -> Array:
        """Return the share of variance explained [n] for weights [n, pairs], with cell means and one scale fitted."""
        xx, xy, yy = (self._sum_products(name, weights) for name in ("xx", "xy", "yy"))
        # 1 - |y - s x|^2 / |y|^2 with s = xy / xx. What goes the other way than the truth explains nothing.
        explained: Array = np.maximum(xy, 0) ** 2 / np.maximum(xx * yy, 1e-12)
        return explained

    def _sum_products(self, name: str, weights: Array) -> Array:
        """Return the weighted sums of products around the weighted means."""
        products = self._products[name]
        sums: Array = weights @ np.diag(products) - ((weights @ products) * weights).sum(1) / weights.sum(1)
        return sums


def draw_kits(kits: NDArray[np.str_]) -> Array:
    """Return how often each pair counts [resamples, pairs] when kits are drawn again with replacement."""
    names, kit_numbers = np.unique(kits, return_inverse=True)
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES, len(names)))
    counts: Array = np.stack([np.bincount(numbers, minlength=len(names)) for numbers in drawn]).astype(np.float64)
    return counts[:, kit_numbers]


def mean_rank(heard: Tensor, true: Tensor) -> float:
    """Return the mean rank of the true one-shots among 100: it and one-shots of other pairs, [pairs, cells] each."""
    distances = torch.cdist(heard.double(), true.double())
    nearer = (distances < distances.diag()[:, None]).double().sum(1) / max(len(heard) - 1, 1)
    return 1 + 99 * float(nearer.mean())


def compare_hits(peaks: Tensor, known: Tensor) -> float:
    """Return F1 of peaks [pairs, frames] and hits [pairs, most]; a known hit matches one peak at most."""
    matched = 0
    for heard, true in zip(peaks, known, strict=True):
        free = true[true >= 0].tolist()
        for frame in heard.nonzero()[:, 0].tolist():
            near = next((hit for hit in free if abs(hit - frame) <= TOLERANCE), None)
            if near is not None:
                free.remove(near)
                matched += 1
    return 2 * matched / max(int(peaks.sum()) + int((known >= 0).sum()), 1)


def print_tables(data: PairSet, found: Mapping[str, Sequence[Measured]]) -> None:
    """Print a table per measure for one data set, as Markdown."""
    kinds = data.recipe.instruments
    kits = ", ".join(f"{len(set(data.kits[kind]))} of {kind}" for kind in kinds)
    print(f"\n{data.name}, {data.split}: {len(data.examples.keys)} pairs; kits: {kits}")
    for title, describe in (
        ("variance explained", describe_explained),
        ("rank among 100", lambda all_values: describe_range([values["rank"] for values in all_values], ".0f")),
        ("F1 of hits", lambda all_values: describe_range([values["f1"] for values in all_values], ".2f")),
    ):
        print(f"\n| {title} | {' | '.join(kinds)} |\n|---|{'---|' * len(kinds)}")
        for name, seeds in found.items():
            cells = [describe([measured[data.name][kind] for measured in seeds]) for kind in kinds]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def describe_explained(all_values: Sequence[Mapping[str, Any]]) -> str:
    """Return the variance explained: the mean of seeds, its interval, the least and the most."""
    low, high = np.percentile(np.mean([values["redrawn"] for values in all_values], axis=0), [2.5, 97.5])
    seeds = [values["explained"] for values in all_values]
    text = f"{sum(seeds) / len(seeds):.2f} [{low:.2f} to {high:.2f}]"
    return text if len(seeds) == 1 else f"{text} ({min(seeds):.2f} to {max(seeds):.2f})"


def describe_range(values: Sequence[float], form: str) -> str:
    """Return the mean of values, and their range if there are several."""
    mean = f"{sum(values) / len(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
