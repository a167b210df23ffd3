"""Train the models of a recipe on a data set.

for report in train_dose(TrainingConfig(recipe=recipe, data=Path("OUT"), out=Path("DIR"))):
    report.best["held_out"]["all"]["full"], report.unigram["all"]["full"]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from rmod_pipeline.codec.catalogue import is_weights_path
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, checkpoint_name, read_dose_checkpoint
from rmod_pipeline.dose.loss import HeldOutLosses
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError, UsageError, nearest
from rmod_pipeline.reading.decoding import open_decoder
from rmod_pipeline.shards.token_family import explain_other_codec
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import file_digest, publish_bytes, sweep_drafts
from rmod_pipeline.storage.writing import LOCAL_DISK_ERRNOS, report_unwritable, unwritable_error
from rmod_pipeline.training.dose.baseline import UnigramBaseline
from rmod_pipeline.training.dose.checkpointing import (
    DRAFTS,
    Checkpointing,
    read_training_state,
    require_same_training,
)
from rmod_pipeline.training.dose.data import TokenData, open_data
from rmod_pipeline.training.dose.initialization import initialize_from_codebooks
from rmod_pipeline.training.dose.loaders import batch_per_rank
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.dose.monitor import Monitor, ProgressListener
from rmod_pipeline.training.dose.run import claim_run, describe_run, package_versions
from rmod_pipeline.training.dose.trainer import (
    DeviceSettings,
    detect_devices,
    keep_keyboard_interrupt,
    make_trainer,
    make_wandb_logger,
    silence_lightning,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What to train, on which data, and where to write."""

    recipe: DoseRecipe
    data: Location
    """A data set with tokens: its folder, or its location on an object store."""
    out: Path
    codec: str | None = None
    """The codec whose tokens to use, if there are several; or the path of its weights, if rmod has no name for them."""
    instrument: str | None = None
    """One of the recipe's instruments; by default all."""
    begin_from: Path | None = None
    """A checkpoint with the first weights."""
    until: int | None = None
    """Stop after the first validation at or after this step; the training can be resumed."""
    wandb: str | None = None
    """A project of Weights & Biases to log to as well."""
    machine: DeviceSettings = field(default_factory=DeviceSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """The result of the training of one model."""

    instruments: tuple[str, ...]
    model: Path
    """The best checkpoint."""
    steps: int
    ended: str
    """``all steps`` or ``patience``; empty if the training stopped before its end."""
    best: Mapping[str, Any]
    """``step`` and ``held_out`` losses of the best checkpoint."""
    unigram: HeldOutLosses
    """Losses of the baseline."""

    def to_dict(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return {
            "instruments": list(self.instruments),
            "steps": self.steps,
            "ended": self.ended,
            "best": dict(self.best),
            "unigram": self.unigram,
        }


def train_dose(config: TrainingConfig, listener: ProgressListener | None = None) -> Iterator[TrainingReport]:
    """Train the recipe's models one after another; yield a report of each, on the first rank only.

    An interrupted training in the folder is resumed. Raises RmodError.
    """
    recipe, out, machine = config.recipe, config.out, detect_devices(config.machine)
    if config.wandb is not None and find_spec("wandb") is None:
        raise UsageError("--wandb", "Weights & Biases is not installed", "pip install wandb, and log in to it")
    models = choose_models(recipe, config.instrument)
    batch_per_rank(recipe, machine.world_size)
    instruments_of_all = [name for instruments in models for name in instruments]
    data = open_data(config.data, _token_name(config.codec), recipe, instruments_of_all, machine.world_size)
    checkpoint = _read_first_weights(config, models, data)
    codec = None
    if checkpoint is None and recipe.schedule.begin == "codebooks":
        codec, _ = open_decoder(config.data, config.codec, device="cpu")
    digest = file_digest(config.begin_from) if config.begin_from else None
    claim_run(describe_run(recipe, data, digest), out)
    is_first_rank = False
    for instruments in models:
        module = DoseModule(recipe, instruments, data, machine.workers)
        if checkpoint is not None:
            module.model.load_state_dict(checkpoint.state)
        elif codec is not None:
            initialize_from_codebooks(module.model, codec, recipe.seed)
        report = _train_model(module, config, machine, listener or ProgressListener())
        if report is not None:
            is_first_rank = True
            yield report
    # Only the first rank writes files. Another rank that ends earlier must not remove the folder of its drafts.
    if is_first_rank:
        with suppress(OSError):
            (out / DRAFTS).rmdir()


def choose_models(recipe: DoseRecipe, instrument: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the models to train, each by its instruments. Raises UsageError for one that is not in the recipe."""
    if instrument is None:
        return recipe.models
    if instrument not in recipe.instruments:
        found = f"the recipe {recipe.name} has no such instrument{nearest(instrument, recipe.instruments)}"
        raise UsageError(f"--instrument {instrument}", found, f"choose {', '.join(recipe.instruments)}")
    single = tuple(names for names in recipe.models if names == (instrument,))
    if not single:
        found = f"the recipe {recipe.name} makes one model for {', '.join(recipe.instruments)}"
        raise UsageError(f"--instrument {instrument}", found, "leave it out, or set one_model: false in the recipe")
    return single


def _token_name(codec: str | None) -> str | None:
    """Return the name of a codec's tokens; None for a path of weights, which tells no name."""
    return None if codec and is_weights_path(codec) else codec


def _read_first_weights(
    config: TrainingConfig, models: tuple[tuple[str, ...], ...], data: TokenData
) -> DoseCheckpoint | None:
    """Return the checkpoint with the first weights, if one is given and fits. Raises DoseError, CodecError."""
    if config.begin_from is None:
        return None
    checkpoint = read_dose_checkpoint(config.begin_from)
    if models != (checkpoint.instruments,):
        trained = " and ".join("-".join(names) for names in models)
        found = f"a model for {'-'.join(checkpoint.instruments)}, but this training is of {trained}"
        hint = f"give a checkpoint for {trained}"
        if len(models) > 1:
            is_one_of_them = checkpoint.instruments in models
            hint = (
                f"give --instrument {checkpoint.instruments[0]}"
                if is_one_of_them
                else "give one --instrument, and its checkpoint"
            )
        raise DoseError(config.begin_from, found, hint)
    checkpoint.require_size(config.recipe.model)
    checkpoint.require_codec(data.identity, explain_other_codec(data.out, checkpoint.codec, by_name=True))
    return checkpoint


def _train_model(
    module: DoseModule, config: TrainingConfig, machine: DeviceSettings, listener: ProgressListener
) -> TrainingReport | None:
    """Train a model to its end or to ``config.until``; return its report on the first rank, None on the others."""
    out, folder = config.out, config.out / "-".join(module.instruments)
    monitor = Monitor(listener)
    environment = {"machine": asdict(machine), "versions": package_versions()}
    checkpointing = Checkpointing(out, folder, config.until, monitor.report_validation, environment)
    baseline = UnigramBaseline(folder / "unigram.json", out / DRAFTS)
    with silence_lightning(), keep_keyboard_interrupt():
        trainer = make_trainer(module.recipe.schedule, machine, out, folder, [monitor, baseline, checkpointing])
        if trainer.is_global_zero:
            sweep_drafts(out / DRAFTS)
        state_file = checkpointing.state_file if checkpointing.state_file.exists() else None
        if state_file:
            require_same_training(read_training_state(state_file), module, state_file)
        _fit(trainer, module, config, state_file, machine.world_size)
    if not trainer.is_global_zero:
        return None
    report = TrainingReport(
        instruments=module.instruments,
        model=out / checkpoint_name(module.instruments),
        steps=trainer.global_step,
        ended=checkpointing.ended,
        best=checkpointing.best,
        unigram=baseline.losses,
    )
    path = folder / "report.json"
    with report_unwritable(path, kind=DoseError):
        publish_bytes(json.dumps(report.to_dict(), indent=1).encode() + b"\n", path, out / DRAFTS)
    return report


def _describe_os_error(out: Path, name: str, error: OSError) -> DoseError:
    """Return the error for a file that a training cannot write, for one that it cannot read, or for another failure."""
    path, again = error.filename, "then give the same command again: the training goes on from its last checkpoint"
    if error.errno in LOCAL_DISK_ERRNOS or (path is not None and out.absolute() in Path(path).absolute().parents):
        unwritable = unwritable_error(path or out / name, error)
        return DoseError(unwritable.about, unwritable.found, unwritable.hint)
    if path is None:
        return DoseError(f"training {name}", f"has failed: {error.strerror or error}", f"remove the cause, {again}")
    return DoseError(path, f"cannot be read: {error.strerror or error}", f"make it readable, {again}")


def _fit(
    trainer: Trainer, module: DoseModule, config: TrainingConfig, state_file: Path | None, world_size: int
) -> None:
    """Run lightning's loop from the state, if there is one; then stop the readers and close the logger."""
    name, wandb = "-".join(module.instruments), None
    if config.wandb is not None and trainer.is_global_zero:
        wandb = make_wandb_logger(config.out / name, config.wandb, config.out / DRAFTS, state_file is not None)
        trainer.loggers = [*trainer.loggers, wandb]
    try:
        trainer.fit(module, ckpt_path=state_file, weights_only=True)
    except torch.OutOfMemoryError as error:
        found = f"out of memory with {batch_per_rank(module.recipe, world_size)} pairs on a device"
        hint = "set a smaller schedule.batch and choose another --out, or use more devices"
        raise DoseError(f"training {name}", found, hint) from error
    except OSError as error:
        raise _describe_os_error(config.out, name, error) from error
    finally:
        module.close()
        if wandb is not None:
            wandb.experiment.finish()  # or the next model would log to the same run
