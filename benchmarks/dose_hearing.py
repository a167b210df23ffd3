"""How much DOSE uses the mixture when it is given tokens, log-mel levels, or levels and what the ear hears.

    python benchmarks/dose_hearing.py --data drums=OUT --data full=OUT [--ear FILE] [--steps 3000] [--seeds 3] --out DIR

Each OUT is a data set with tokens and features in its splits train, valid and test. For each of them, for each seed and
for each condition a model of the recipe is trained. The table has, for each instrument, what another pair's mixture
costs at the onset, in nats per code: mean over seeds, and the least and the most. A model that ignores the mixture has
0. DIR keeps the models, so the same command goes on where it was stopped. A training of 3,000 steps takes an hour or
two on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.dose.checkpoint import read_dose_checkpoint
from rmod_pipeline.dose.recipe import DoseRecipe, load_dose_recipe
from rmod_pipeline.evaluation.figures.condition_use import ConditionUse, measure_condition_use
from rmod_pipeline.shards.token_family import choose_family
from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
from rmod_pipeline.training.loop.trainer import DeviceSettings

CONDITIONS = ("tokens", "mel", "ear")

Costs = Mapping[str, Sequence[float]]
"""By instrument: what another pair's mixture costs at the onset, for each seed."""


def main() -> None:
    """Train all models, and print a table for each data set."""
    options = parse()
    use_threads(options.threads)
    for name, out in (data.split("=", 1) for data in options.data):
        print_table(name, {condition: measure(name, Path(out), condition, options) for condition in options.condition})


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, metavar="NAME=OUT", help="a data set; repeatable")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the models")
    parser.add_argument("--ear", type=Path, help="default: the ear that rmod ships")
    parser.add_argument("--codec", help="the codec of the tokens, or its weights")
    parser.add_argument("--recipe", default="laptop", help="the recipe whose condition changes")
    parser.add_argument("--condition", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings of each model")
    parser.add_argument("--split", default="test", help="the split to measure on")
    parser.add_argument("--pairs", type=int, help="measure on the first pairs only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that read pairs")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def measure(name: str, data: Path, condition: str, options: argparse.Namespace) -> Costs:
    """Return the costs of another mixture for models of one condition."""
    costs: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        for use in train_and_measure(name, data, make_recipe(options, condition, seed), options):
            costs.setdefault(use.instrument, []).append(use.onset_with_other_mixture - use.onset)
            print(f"{name}, {condition}, seed {seed}, {use.instrument}: onset {use.onset:.3f},", end=" ", flush=True)
            print(f"with another pair's mixture {use.onset_with_other_mixture:.3f}", flush=True)
    return costs


def make_recipe(options: argparse.Namespace, condition: str, seed: int) -> DoseRecipe:
    """Return the recipe with another condition, seed and number of steps."""
    content = load_dose_recipe(options.recipe).model_dump(mode="json")
    content["model"]["condition"] = condition
    schedule = content["schedule"]
    schedule |= {
        "steps": options.steps,
        "warm_up_steps": min(schedule["warm_up_steps"], options.steps // 10),
        "check_every_steps": min(schedule["check_every_steps"], options.steps),
    }
    return DoseRecipe.model_validate({**content, "seed": seed})


def train_and_measure(name: str, data: Path, recipe: DoseRecipe, options: argparse.Namespace) -> Iterator[ConditionUse]:
    """Train the models of a recipe, and yield how much each instrument uses the mixture."""
    condition = recipe.model.condition
    config = TrainingConfig(
        recipe=recipe,
        data=data,
        out=options.out / name / condition / str(recipe.seed),
        codec=options.codec,
        ear=options.ear if condition == "ear" else None,
        machine=DeviceSettings(device=options.device, workers=options.workers),
    )
    for report in train_dose(config):
        checkpoint = read_dose_checkpoint(report.model)
        family = choose_family(data, str(checkpoint.codec["name"]))
        yield from measure_condition_use(
            data, options.split, checkpoint, family, device=options.device, most=options.pairs
        )


def print_table(name: str, costs: Mapping[str, Costs]) -> None:
    """Print the mean costs of each condition, with the least and the most, as Markdown."""
    print(f"\n| {name} | {' | '.join(costs)} |")
    print(f"|---|{'---|' * len(costs)}")
    for instrument in next(iter(costs.values())):
        cells = [describe(of_condition[instrument]) for of_condition in costs.values()]
        print(f"| {instrument} | {' | '.join(cells)} |", flush=True)
    print()


def describe(values: Sequence[float]) -> str:
    """Return the mean of values, and their range if there are several."""
    mean = f"{sum(values) / len(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
