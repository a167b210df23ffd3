"""Time reading, training and extraction of DOSE beside plain implementations, in one run.

    python benchmarks/dose.py [--data OUT] [--part loader ...] [--recipe laptop] [--threads 1]

- loader: pairs of `shards.read` from tars, and of a folder with one .npy a sound, known by name and read one by one.
- step: a training step of our loss, and of the published code's, which computes logits at every row and averages zeros.
- dropout: that step of ours without and with dropout in the attention.
- muon: a whole step with our Muon, in fp32, and with torch's, which orthogonalises in bfloat16.
- extract: one window at paper size (random weights), with keys and values kept and by computing everything again at
  each row, as the published code does.

Prints a table of medians and ratios for docs/lab/performance.md.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.generation import generate
from rmod_pipeline.dose.layout import delay_target
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import load_dose_recipe
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.training.loop.optimizer import CombinedOptimizer, make_optimizer

PAIRS, BATCH = 400, 8
"""Pairs that are read at most; a step's batch."""


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print("| what | ours | plain | ratio |")
    print("|---|---|---|---|")
    for part in options.part or list(PARTS):
        PARTS[part](options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("demo"),
        help="a data set with tokens in its train split; default: what `make demo` leaves",
    )
    parser.add_argument("--recipe", default="laptop", help="the model whose steps are timed")
    parser.add_argument("--part", action="append", choices=["loader", "step", "dropout", "muon", "extract"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def loader(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tokens, files = 0, []
        for pair in islice(load_tokens(options.data, "train"), PAIRS):
            files.append([Path(folder) / f"{pair['key']}.{sound}.npy" for sound in pair["codes"]])
            for path, codes in zip(files[-1], pair["codes"].values(), strict=True):
                np.save(path, codes.astype(np.uint16))
                tokens += codes.size

        def from_shards() -> None:
            for _ in islice(load_tokens(options.data, "train", shuffle=100), PAIRS):
                pass

        def from_files() -> None:
            for paths in random.Random(0).sample(files, len(files)):
                for path in paths:
                    np.load(path).astype(np.int64)

        ours, plain = alternate(options.rounds, from_shards, from_files)
    report(f"loader, tokens/s over {len(files)} pairs", tokens / ours, tokens / plain, ours, plain)


def step(options: argparse.Namespace) -> None:
    recipe = load_dose_recipe(options.recipe)
    instrument = "kick"
    frames = recipe.frames(instrument)
    batches = cycle(pairs_of(options.data, instrument))
    models = [Dose(recipe.model).train() for _ in range(2)]
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-4) for model in models]

    def ours() -> None:
        optimizers[0].zero_grad()
        compute_losses(models[0], next(batches), recipe.loss).total.backward()
        optimizers[0].step()

    def plain() -> None:
        optimizers[1].zero_grad()
        published_loss(models[1], next(batches)).backward()
        optimizers[1].step()

    one, other = alternate(3 * options.rounds, ours, plain)
    report(f"step, {BATCH} kicks of {frames} frames, {recipe.name}: steps/s", 1 / one, 1 / other, one, other)


def dropout(options: argparse.Namespace) -> None:
    recipe = load_dose_recipe(options.recipe)
    batches = cycle(pairs_of(options.data, "kick"))
    shares = (0.0, 0.1)
    models = [Dose(recipe.model.model_copy(update={"attention_dropout": share})).train() for share in shares]

    def step_of(model: Dose) -> None:
        compute_losses(model, next(batches), recipe.loss).total.backward()

    one, other = alternate(3 * options.rounds, partial(step_of, models[0]), partial(step_of, models[1]))
    report(
        f"the same without and with dropout in the attention, {recipe.name}: steps/s", 1 / one, 1 / other, one, other
    )


def muon(options: argparse.Namespace) -> None:
    recipe = load_dose_recipe(options.recipe)
    schedule = recipe.schedule.model_copy(update={"optimizer": "muon"})
    batches = cycle(pairs_of(options.data, "kick"))
    models = [Dose(recipe.model).train() for _ in range(2)]
    optimizers = [make_optimizer(model, schedule, model.blocks) for model in models]
    combined = optimizers[1]
    assert isinstance(combined, CombinedOptimizer)
    ours = combined.parts[0]
    combined.parts[0] = torch.optim.Muon(ours.param_groups, lr=ours.defaults["lr"])

    def step_of(model: Dose, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        compute_losses(model, next(batches), recipe.loss).total.backward()
        optimizer.step()

    ways = (partial(step_of, *each) for each in zip(models, optimizers, strict=True))
    one, other = alternate(3 * options.rounds, *ways)
    report(f"Muon in fp32 and torch's, {recipe.name}: steps/s", 1 / one, 1 / other, one, other)


def published_loss(model: Dose, pairs: TokenBatch) -> torch.Tensor:
    """Return the loss of the published code, which computes logits at every row and averages zeros in."""
    target = delay_target(pairs.targets)
    rows = torch.cat([model.embed_condition(pairs.condition), model.embed_target(target[:, :-1])], dim=1)
    logits = model.compute_logits(model.compute_hidden(rows))
    tail, books = target.shape[1:]
    flat = functional.cross_entropy(logits[:, -tail:].flatten(0, 2), target.flatten(), reduction="none")
    surprise: torch.Tensor = flat.unflatten(0, (len(target), tail, books))
    return surprise.mean() + surprise[:, : books + 1].mean()


def extract(options: argparse.Namespace) -> None:
    recipe = load_dose_recipe("paper")
    model = Dose(recipe.model).eval()
    mixture = Condition(tokens=pairs_of(options.data, "kick")[0].mixtures[:1].long())
    frames = recipe.frames("kick")
    generate(model, mixture, frames=8)  # the first calls make room
    times = []
    for cached in (True, False):
        start = time.perf_counter()
        made = generate(model, mixture, frames, cached=cached)
        times.append((time.perf_counter() - start, made.codes))
    assert torch.equal(times[0][1], times[1][1]), "both ways must give the same tokens"
    (one, _), (other, _) = times
    report(f"extract, a window of {frames} frames at paper size: windows/min", 60 / one, 60 / other, one, other)


def pairs_of(data: Path, instrument: str) -> list[TokenBatch]:
    """Return batches that are read before the timing starts."""
    held = list(islice(load_tokens(data, "train", sounds=["mix", instrument]), 4 * BATCH))
    return [
        TokenBatch(
            mixtures=torch.from_numpy(np.stack([pair["codes"]["mix"] for pair in part])),
            targets=torch.from_numpy(np.stack([pair["codes"][instrument] for pair in part])),
            lengths=torch.tensor([pair["frames"][instrument] for pair in part]),
        )
        for part in (held[start : start + BATCH] for start in range(0, len(held) - BATCH + 1, BATCH))
    ]


def alternate(rounds: int, ours: Callable[[], None], plain: Callable[[], None]) -> tuple[float, float]:
    """Return the median seconds of both functions, which take turns; the first round is not counted."""
    times: list[list[float]] = [[], []]
    for _ in range(rounds + 1):
        for number, run in enumerate((ours, plain)):
            start = time.perf_counter()
            run()
            times[number].append(time.perf_counter() - start)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def report(what: str, ours: float, plain: float, one: float, other: float) -> None:
    print(f"| {what} | {ours:.3g} | {plain:.3g} | {other / one:.2f} |", flush=True)


PARTS = {"loader": loader, "step": step, "dropout": dropout, "muon": muon, "extract": extract}


if __name__ == "__main__":
    main()
