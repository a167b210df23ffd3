"""Write and read the files of a training: the state from which it resumes, and the best model so far.

The state is lightning's, but written atomically, and read without running code from it: lightning's own reader would
run whatever a file contains.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint as CheckpointCallback

from rmod_pipeline.codec.torch_support import check_state_dict, read_weights_file, unpickle_weights
from rmod_pipeline.errors import ModelError
from rmod_pipeline.recipe.schedule import renew_recipe
from rmod_pipeline.shards.fingerprint import refuse_differences
from rmod_pipeline.storage.publish import draft, publish, publish_bytes
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.loop.module import TrainingModule

log = logging.getLogger(__name__)

STATE_KEY = "rmod_training"
VERSION = 1
DRAFTS = "drafts"
"""Folder in which files are written before they get their names."""

HINT = "remove it to start this training from the beginning, or choose another --out"
REQUIRED = {"epoch": int, "global_step": int, "pytorch-lightning_version": str, "state_dict": dict, "loops": dict}


class PlainFileIO(CheckpointIO):
    """Store the states of trainings as files of plain arrays, numbers and text."""

    def __init__(self, drafts: Path) -> None:
        self._drafts = drafts

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a state. Raises ModelError."""
        final = Path(path)
        with report_unwritable(final, kind=ModelError), draft(self._drafts, final.name) as temporary:
            with temporary.open("wb") as file:
                torch.save(checkpoint, file)
            publish(temporary, final)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Read a state. Raises ModelError for any other file, and for one that could only be read by running code."""
        return read_training_state(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a state."""
        with report_unwritable(path, kind=ModelError):
            Path(path).unlink(missing_ok=True)


def read_training_state(path: Path) -> dict[str, Any]:
    """Read the state of a training without running code from the file. Raises ModelError."""
    try:
        content: Any = unpickle_weights(read_weights_file(path, ModelError, HINT), path, ModelError)
    except ModelError as error:
        raise ModelError(path, error.found, HINT) from error
    ours = content.get(STATE_KEY) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(ours, dict) or ours.get("version") != VERSION:
        raise ModelError(path, "not the state of a training of this version of rmod", HINT)
    if not all(isinstance(content.get(name), kind) for name, kind in REQUIRED.items()):
        raise ModelError(path, "not the complete state of a training", HINT)
    content["state_dict"] = check_state_dict(content["state_dict"], path, ModelError, "a training's state", HINT)
    return content


def require_same_training(state: Mapping[str, Any], module: TrainingModule, path: Path) -> None:
    """Raise BuildError or ModelError unless a state belongs to this training: recipe, data, shapes."""
    expected = module.identify()
    existing = {name: state[STATE_KEY].get(name) for name in expected}
    existing["recipe"] = renew_recipe(existing.get("recipe"), module.recipe)
    refuse_differences(existing, expected, path, "the state of another training", HINT)
    weights = module.state_dict()
    for name in weights.keys() | state["state_dict"].keys():
        stored, own = state["state_dict"].get(name), weights.get(name)
        if stored is None or own is None or stored.shape != own.shape:
            raise ModelError(path, f"its weights belong to another model: {name}", HINT)


class Checkpointing(CheckpointCallback):
    """After each validation, write the best model if it has improved, and then the state to resume from.

    In this order, so that a state never refers to a model that does not exist.
    """

    def __init__(
        self,
        out: Path,
        folder: Path,
        until: int | None,
        on_saved: Callable[[Trainer, LightningModule], None],
        environment: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.out, self.folder, self.until, self._on_saved = out, folder, until, on_saved
        self.environment = environment
        """Devices and versions of packages: stored in the state, but they may change."""
        self._changes: list[str] = []
        self.best: dict[str, Any] = {}
        """``step`` and ``held_out`` losses of the best model."""
        self.ended = ""
        """Why the training has ended; empty while it has not."""

    @property
    def state_file(self) -> Path:
        """The path of the state."""
        return self.folder / "last.ckpt"

    @property
    def state_key(self) -> str:
        """The key of this callback in a state; it is part of the file format."""
        return "Keeper"

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this callback."""
        return {"best": self.best, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a state."""
        self.best, self.ended = dict(state_dict["best"]), str(state_dict["ended"])

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Add what identifies the training, and its environment."""
        assert isinstance(pl_module, TrainingModule)
        environment = {name: dict(part) for name, part in self.environment.items()}
        checkpoint[STATE_KEY] = {"version": VERSION, **pl_module.identify(), **environment}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Compare the environment with that of the state."""
        self._changes = list(_describe_changes(checkpoint[STATE_KEY], self.environment))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn if the environment has changed."""
        assert isinstance(pl_module, TrainingModule)
        if self._changes and trainer.is_global_zero:
            log.warning(
                "%s resumes in another environment: %s. The training remains valid, but its result may differ from "
                "that of an uninterrupted one: pairs may come in another order, numbers may be rounded differently",
                pl_module.name,
                ", ".join(self._changes),
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop at once if the training has ended before."""
        if self.ended:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the best model and the state, and stop the training where it is due."""
        assert isinstance(pl_module, TrainingModule)
        step, losses = trainer.global_step, pl_module.held_out
        selecting = pl_module.selecting_loss
        if not self.best or losses["all"][selecting] < self.best["held_out"]["all"][selecting]:
            self.best = {"step": step, "held_out": {name: dict(parts) for name, parts in losses.items()}}
            if trainer.is_global_zero:
                self._write_best(pl_module)
        if step >= pl_module.recipe.schedule.steps:
            self.ended = "all steps"
        elif trainer.should_stop:
            self.ended = "patience"
        trainer.save_checkpoint(self.state_file)
        if self.until is not None and step >= self.until:
            trainer.should_stop = True
        self._on_saved(trainer, pl_module)

    def _write_best(self, module: TrainingModule) -> None:
        path = self.out / module.best_file
        with report_unwritable(path, kind=ModelError):
            publish_bytes(module.encode_best(self.best), path, self.out / DRAFTS)


def _describe_changes(stored: Mapping[str, Any], current: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield each difference of the environment in words; what the state does not store counts as unchanged."""
    for part, values in current.items():
        before = stored.get(part)
        if not isinstance(before, dict):
            continue
        for name, value in values.items():
            if name in before and before[name] != value:
                yield f"{name} {value} instead of {before[name]}"
