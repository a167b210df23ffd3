"""Run the training of one model: resume its state, run lightning's loop, write the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from rmod_pipeline.errors import ModelError, UsageError
from rmod_pipeline.storage.publish import publish_bytes, sweep_drafts
from rmod_pipeline.storage.writing import LOCAL_DISK_ERRNOS, report_unwritable, unwritable_error
from rmod_pipeline.training.loop.baseline import Baseline
from rmod_pipeline.training.loop.checkpointing import (
    DRAFTS,
    Checkpointing,
    read_training_state,
    require_same_training,
)
from rmod_pipeline.training.loop.loaders import batch_per_rank
from rmod_pipeline.training.loop.module import HeldOutLosses, TrainingModule
from rmod_pipeline.training.loop.monitor import Monitor, ProgressListener
from rmod_pipeline.training.loop.run import package_versions
from rmod_pipeline.training.loop.trainer import (
    DeviceSettings,
    keep_keyboard_interrupt,
    make_trainer,
    make_wandb_logger,
    silence_lightning,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """Where a training writes, when it stops, and what it runs on."""

    out: Path
    until: int | None = None
    """Stop after the first validation at or after this step; the training can be resumed."""
    wandb: str | None = None
    """A project of Weights & Biases to log to as well."""
    machine: DeviceSettings = field(default_factory=DeviceSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """The result of the training of one model."""

    name: str
    """The name of the model, such as kick."""
    instruments: tuple[str, ...]
    model: Path
    """The best checkpoint."""
    steps: int
    ended: str
    """``all steps`` or ``patience``; empty if the training stopped before its end."""
    best: Mapping[str, Any]
    """``step`` and ``held_out`` losses of the best checkpoint."""
    baselines: Mapping[str, HeldOutLosses]
    """Losses of each baseline, such as ``unigram``."""

    @property
    def unigram(self) -> HeldOutLosses:
        """Losses of the unigram baseline of DOSE."""
        return self.baselines["unigram"]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return {
            "instruments": list(self.instruments),
            "steps": self.steps,
            "ended": self.ended,
            "best": dict(self.best),
            **self.baselines,
        }


def check_wandb(project: str | None) -> None:
    """Raise UsageError if a project of Weights & Biases is given and its package is missing."""
    if project is not None and find_spec("wandb") is None:
        raise UsageError("--wandb", "Weights & Biases is not installed", "pip install wandb, and log in to it")


def train_module(
    module: TrainingModule, baseline: type[Baseline], settings: LoopSettings, listener: ProgressListener
) -> TrainingReport | None:
    """Train a model to its end or to ``settings.until``; return its report on the first rank, None on the others.

    An interrupted training in the folder is resumed. Raises RmodError.
    """
    out, folder, machine = settings.out, settings.out / module.name, settings.machine
    monitor = Monitor(listener)
    environment = {"machine": asdict(machine), "versions": package_versions()}
    checkpointing = Checkpointing(out, folder, settings.until, monitor.report_validation, environment)
    measured = baseline(out, folder)
    with silence_lightning(), keep_keyboard_interrupt():
        trainer = make_trainer(module, machine, out, folder, [monitor, measured, checkpointing])
        if trainer.is_global_zero:
            sweep_drafts(out / DRAFTS)
        state_file = checkpointing.state_file if checkpointing.state_file.exists() else None
        if state_file:
            require_same_training(read_training_state(state_file), module, state_file)
        _fit(trainer, module, settings, state_file)
    if not trainer.is_global_zero:
        return None
    report = TrainingReport(
        name=module.name,
        instruments=module.instruments,
        model=out / module.best_file,
        steps=trainer.global_step,
        ended=checkpointing.ended,
        best=checkpointing.best,
        baselines={measured.name: measured.losses},
    )
    path = folder / "report.json"
    with report_unwritable(path, kind=ModelError):
        publish_bytes(json.dumps(report.to_dict(), indent=1).encode() + b"\n", path, out / DRAFTS)
    return report


def remove_empty_drafts(out: Path) -> None:
    """Remove the folder of drafts. Call it on the first rank only: the others write nothing."""
    with suppress(OSError):
        (out / DRAFTS).rmdir()


def _describe_os_error(out: Path, name: str, error: OSError) -> ModelError:
    """Return the error for a file that a training cannot write, for one that it cannot read, or for another failure."""
    path, again = error.filename, "then give the same command again: the training goes on from its last checkpoint"
    if error.errno in LOCAL_DISK_ERRNOS or (path is not None and out.absolute() in Path(path).absolute().parents):
        unwritable = unwritable_error(path or out / name, error)
        return ModelError(unwritable.about, unwritable.found, unwritable.hint)
    if path is None:
        return ModelError(f"training {name}", f"has failed: {error.strerror or error}", f"remove the cause, {again}")
    return ModelError(path, f"cannot be read: {error.strerror or error}", f"make it readable, {again}")


def _fit(trainer: Trainer, module: TrainingModule, settings: LoopSettings, state_file: Path | None) -> None:
    """Run lightning's loop from the state, if there is one; then stop the readers and close the logger."""
    name, out, wandb = module.name, settings.out, None
    if settings.wandb is not None and trainer.is_global_zero:
        wandb = make_wandb_logger(out / name, settings.wandb, out / DRAFTS, state_file is not None)
        trainer.loggers = [*trainer.loggers, wandb]
    try:
        trainer.fit(module, ckpt_path=state_file, weights_only=True)
    except torch.OutOfMemoryError as error:
        pairs = batch_per_rank(module.recipe, settings.machine.world_size)
        found = f"out of memory with {pairs} pairs on a device"
        hint = "set a smaller schedule.batch and choose another --out, or use more devices"
        raise ModelError(f"training {name}", found, hint) from error
    except OSError as error:
        raise _describe_os_error(out, name, error) from error
    finally:
        module.close()
        if wandb is not None:
            wandb.experiment.finish()  # or the next model would log to the same run
