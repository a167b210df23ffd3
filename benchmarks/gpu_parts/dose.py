"""Part dose: train DOSE models on the pairs of the part build, for as many steps as the time allows, and evaluate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gpu_parts.build import data_folder, evaluation_folder
from gpu_parts.clock import Clock, OutOfTimeError
from gpu_parts.files import split_file
from gpu_parts.machine import MIB, count_flops, measure_products
from gpu_parts.options import Options
from gpu_parts.results import Results
from rmod_pipeline.dose.checkpoint import encode_dose_checkpoint, read_dose_checkpoint
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, load_dose_recipe
from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation.figures.results import DISTANCE, EvaluationResults
from rmod_pipeline.evaluation.recipe import EvaluationRecipe
from rmod_pipeline.evaluation.run import evaluate_recipe, open_set_works
from rmod_pipeline.extraction.extractor import read_checkpoints
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.training.dose.train import TrainingConfig, choose_models, train_dose
from rmod_pipeline.training.loop.fit import TrainingReport
from rmod_pipeline.training.loop.module import HeldOutLosses
from rmod_pipeline.training.loop.monitor import ProgressListener, TrainingState
from rmod_pipeline.training.loop.trainer import DeviceSettings

EVALUATION_SHARE = 0.25
"""Share of the time that is kept for the evaluation."""

TRAINING_SHARE = 0.85
"""Share of the rest that a training plans to take by the speed of its trial; validations need some too."""

VALIDATIONS = 8
LOADERS = 8
"""Processes that read shards, at most."""

TRIAL_PAIRS = 2
"""Test pairs whose time says how many can be evaluated."""

TEST, TRAINED, AGAINST = "test", "trained", "against"
"""Names of the test set, of the new model, and of the one that it is compared with."""
TRIAL, MODEL, HALF, EVALUATION, RECORD = "trial-{}", "model-{}", "{}-bf16.pth", "evaluation-{}", "evaluation.json"
"""Names in the working folder."""

SPEEDS, LOSSES, DISTANCES = "Training speed", "Held-out losses", "Distance to the true one-shots"


def list_measured(options: Options) -> list[str]:
    """Return the names in the working folder under which this part makes what it measures."""
    named = [name.format(model) for name in (TRIAL, MODEL, HALF) for model in options.sizes.models]
    return [*named, RECORD, *(path.name for path in options.work.glob(EVALUATION.format("*")))]


def run_dose(options: Options, results: Results, clock: Clock) -> None:
    """Train the first model to its end and evaluate it; of the others measure the speed, as far as time goes."""
    data = data_folder(options)
    if not Layout(data).build.is_file():
        hint = "run the part build before, with the same --work, or give --data"
        raise ShardError(data, "no data set to train on", hint)
    torch.set_float32_matmul_precision("high")
    trainer = DoseBench(options, results, data)
    first, *others = options.sizes.models
    best = trainer.train(first, clock.share(1 - EVALUATION_SHARE))
    if best is not None:
        evaluate_all(options, results, clock, best)
    for name in others:
        if clock.left < trainer.last_trial_seconds:
            results.skip(f"the speed of {name}", "no time left")
        else:
            trainer.try_speed(name, clock)


@dataclass(kw_only=True)
class SpeedMeter:
    """The speed of a training, from its listener: the latest state, and a stop when the time is over."""

    clock: Clock
    latest: TrainingState | None = None
    validated: list[tuple[int, HeldOutLosses]] = field(default_factory=list)

    def listener(self) -> ProgressListener:
        """Return the listener to give to the training."""
        return ProgressListener(stepped=self._stepped, validated=self._validated)

    def _stepped(self, state: TrainingState) -> None:
        self.latest = state
        self.clock.check()

    def _validated(self, state: TrainingState, losses: HeldOutLosses) -> None:
        self.validated.append((state.step, losses))


class DoseBench:
    """Trains models on one data set."""

    def __init__(self, options: Options, results: Results, data: Path) -> None:
        self.options, self.results, self.data = options, results, data
        precision = "bf16" if options.device == "cuda" else "fp32"
        size = options.sizes.matrix[options.device]
        self.product = measure_products(precision, options.device, size, options.sizes.timed_seconds)
        self.precision = precision
        self.last_trial_seconds = 0.0

    def train(self, name: str, clock: Clock) -> Path | None:
        """Train a model for as many steps as the time allows; return its best checkpoint, None if there is none."""
        meter = self.try_speed(name, clock)
        steps = self.options.sizes.train_steps
        if steps is None:
            if meter is None or meter.latest is None:
                self.results.skip(f"the training of {name}", "its trial took all of the time")
                return None
            steps = int(TRAINING_SHARE * clock.left * meter.latest.steps_per_second)
        recipe = self.recipe(name, max(steps, 2))
        out = self.options.work / MODEL.format(name)
        meter = SpeedMeter(clock=clock)
        try:
            self.fit(recipe, out, meter)
        except OutOfTimeError as error:
            self.results.skip(f"the rest of the {recipe.schedule.steps} steps of {name}", str(error))
        for step, losses in meter.validated:
            self.results.row(LOSSES, {"model": name, "step": step, **losses["all"]})
        path = next(iter(sorted(out.glob("*.pth"))), None)
        if path is None:
            self.results.skip(f"the checkpoint of {name}", "there was no time for a first validation")
            return None
        half = self.options.work / HALF.format(name)
        checkpoint = read_dose_checkpoint(path)
        state = {key: value.bfloat16() for key, value in checkpoint.state.items()}
        half.write_bytes(encode_dose_checkpoint(replace(checkpoint, state=state)))
        packed = split_file(half, self.options.out, f"{name}-{path.name}")
        self.results.figure(f"checkpoint of {name}", f"{len(packed.parts)} part(s); to join: {packed.command}")
        return half

    def try_speed(self, name: str, clock: Clock) -> SpeedMeter | None:
        """Take some steps, and record the speed; None if the time was over before."""
        begun, meter = clock.spent, SpeedMeter(clock=clock)
        recipe = self.recipe(name, self.options.sizes.trial_steps)
        # Half of the steps are an interval of their own, so that the start of the readers does not count.
        schedule = recipe.schedule.model_copy(update={"check_every_steps": -(-recipe.schedule.steps // 2)})
        recipe = recipe.model_copy(update={"schedule": schedule})
        try:
            self.fit(recipe, self.options.work / TRIAL.format(name), meter)
        except OutOfTimeError as error:
            self.results.skip(f"the speed of {name}", str(error))
            return None
        self.last_trial_seconds = clock.spent - begun
        assert meter.latest is not None
        flops = count_step_flops(recipe, self.options.device)
        achieved = flops * meter.latest.steps_per_second
        row: dict[str, Any] = {
            "model": name, "precision": self.precision, "batch": recipe.schedule.batch,
            "steps/s": meter.latest.steps_per_second, "tokens/s": meter.latest.units_per_second,
            "TFLOP/s": achieved / 1e12, "model FLOP utilisation": achieved / self.product,
            "waiting for data": f"{meter.latest.waiting:.0%}",
        }  # fmt: skip
        if self.options.device == "cuda":
            row["peak MiB"] = torch.cuda.max_memory_allocated() / MIB
        self.results.row(SPEEDS, row)
        return meter

    def recipe(self, name: str, steps: int) -> DoseRecipe:
        """Return a recipe of a number of steps, in bf16 on a GPU, that validates a few times and never stops early."""
        recipe = load_dose_recipe(name)
        schedule = recipe.schedule.model_copy(
            update={
                "steps": steps,
                "check_every_steps": max(steps // VALIDATIONS, 1),
                "warm_up_steps": min(recipe.schedule.warm_up_steps, steps // 20),
                "precision": self.precision,
                "patience": None,
            }
        )
        return recipe.model_copy(update={"schedule": schedule})

    def fit(self, recipe: DoseRecipe, out: Path, meter: SpeedMeter) -> TrainingReport:
        """Train the first of a recipe's models. Raises OutOfTimeError; what was written until then is kept."""
        instrument = None if recipe.one_model else choose_models(recipe, None)[0][0]
        workers = 0 if self.options.miniature else min(LOADERS, self.options.workers)
        machine = DeviceSettings(device=self.options.device, workers=workers)
        config = TrainingConfig(
            recipe=recipe,
            data=self.data,
            out=out,
            instrument=instrument,
            codec=self.options.token_codec,
            machine=machine,
        )
        return next(iter(train_dose(config, meter.listener())))


def count_step_flops(recipe: DoseRecipe, device: str) -> float:
    """Return the operations of a training step, forward and backward, counted by torch on a batch of one."""
    instruments = choose_models(recipe, None)[0]
    frames = [recipe.frames(instrument) for instrument in instruments]
    books = recipe.model.codebooks
    with torch.device(device):
        model = Dose(recipe.model, len(instruments)).train()
        total = 0.0
        for length in frames:
            batch = TokenBatch(
                mixtures=torch.zeros(1, books, recipe.model.condition_frames, dtype=torch.int64),
                targets=torch.zeros(1, books, length, dtype=torch.int64),
                lengths=torch.full((1,), length),
                instruments=torch.zeros(1, dtype=torch.int64) if len(instruments) > 1 else None,
            )
            total += count_flops(partial(_step, model, batch, recipe)) / len(frames)
    return total * recipe.schedule.batch


def _step(model: Dose, batch: TokenBatch, recipe: DoseRecipe) -> None:
    compute_losses(model, batch, recipe.loss).total.backward()


def evaluate_all(options: Options, results: Results, clock: Clock, best: Path) -> None:
    """Evaluate the new model on the test pairs, and the one that it is compared with on the same."""
    test = evaluation_folder(options)
    if not Layout(test).build.is_file():
        results.skip("the evaluation", f"{test} has no pairs: run the part build before, or give --test")
        return
    begun = clock.spent
    models = {TRAINED: best, **({AGAINST: options.against} if options.against else {})}
    evaluate(options, models, TRIAL_PAIRS)
    each = (clock.spent - begun) / TRIAL_PAIRS
    pairs = TRIAL_PAIRS if options.miniature else min(int(0.7 * clock.left / each), options.sizes.test_pairs)
    if pairs < TRIAL_PAIRS:
        results.skip("the evaluation", f"{clock.left:.0f} s left, a pair takes {each:.0f}")
        return
    found = evaluate(options, models, pairs)
    (options.work / RECORD).write_text(json.dumps(found.to_dict()), encoding="utf-8")
    for kind in found.recipe.kinds:
        for system in found.systems(TEST):
            cell = found.cell(TEST, system, kind)
            if DISTANCE in cell.figures:
                distance = cell.figures[DISTANCE].mean
                results.row(DISTANCES, {"system": system, "kind": kind, "pairs": len(cell.keys), "distance": distance})
    if options.against is None:
        results.absent("a comparison with another model", "no --against")
    for each_found in found.comparisons:
        if (each_found.system, each_found.other, each_found.metric) == (TRAINED, AGAINST, DISTANCE):
            difference = each_found.comparison
            interval = f"95 % interval {difference.low:+.3f} to {difference.high:+.3f} over kits; below 0 is nearer"
            results.figure(f"{each_found.kind}: trained minus against", f"{difference.difference:+.3f}, {interval}")


def evaluate(options: Options, models: Mapping[str, Path], pairs: int) -> EvaluationResults:
    """Evaluate checkpoints on the first pairs of the test split, beside guesses and the codec."""
    codec, tries = options.token_codec, options.sizes.tries
    dose = {"system": "dose", "codec": codec, "tries": tries}
    systems = [
        *({**dose, "name": label, "checkpoint": str(path)} for label, path in models.items()),
        {"system": "another", "of": TRAINED},
        {"system": "chance"},
        {"system": "typical"},
        {"system": "codec", "codec": codec},
    ]
    recipe = EvaluationRecipe.model_validate(
        {
            "kinds": read_checkpoints(models[TRAINED])[0].instruments,
            "pairs": pairs,
            "sets": [{"name": TEST, "data": str(evaluation_folder(options))}],
            "systems": systems,
            "compare_with": AGAINST if AGAINST in models else TRAINED,
            "embeddings": [],
            "listen": 0,
        }
    )
    works = open_set_works(recipe, options.work / EVALUATION.format(pairs), options.device)
    return evaluate_recipe(recipe, works)
