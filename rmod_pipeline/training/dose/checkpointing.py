"""What a training leaves behind: its state, to go on from, and the best model so far.

The state is what lightning makes of it, but written whole or not at all, and read without running anything in it:
lightning's own way of reading would run whatever a file says.
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

from rmod_pipeline.codec.torch_support import checked_state, file_bytes, unpickled
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, checkpoint_name, dose_checkpoint_bytes
from rmod_pipeline.errors import DoseError
from rmod_pipeline.shards.fingerprint import refuse_differences
from rmod_pipeline.storage.publish import draft, publish, publish_bytes
from rmod_pipeline.training.dose.module import DoseModule

log = logging.getLogger(__name__)

OURS = "rmod_training"
VERSION = 1
DRAFTS = "drafts"
"""Where files are written before they have their names."""

ANOTHER = "remove it to begin this training anew, or choose another --out"
NEEDED = {"epoch": int, "global_step": int, "pytorch-lightning_version": str, "state_dict": dict, "loops": dict}


class PlainFileIO(CheckpointIO):
    """States of trainings as files of plain arrays, numbers and text."""

    def __init__(self, drafts: Path) -> None:
        self._drafts = drafts

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a state. Raises DoseError."""
        final = Path(path)
        try:
            with draft(self._drafts, final.name) as temporary:
                with temporary.open("wb") as file:
                    torch.save(checkpoint, file)
                publish(temporary, final)
        except OSError as error:
            raise unwritable(final, error) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Read a state. Raises DoseError for anything else, and for what would have to be run to be read."""
        return read_state(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a state."""
        Path(path).unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Any]:
    """Return a training's state; nothing in the file is ever run. Raises DoseError."""
    try:
        content = unpickled(file_bytes(path, DoseError, ANOTHER), path, DoseError)
    except DoseError as error:
        raise DoseError(path, error.found, ANOTHER) from error
    ours = content.get(OURS) if isinstance(content, dict) else None
    if not isinstance(ours, dict) or ours.get("version") != VERSION:
        raise DoseError(path, "not the state of a training of this rmod's", ANOTHER)
    if not all(isinstance(content.get(name), kind) for name, kind in NEEDED.items()):
        raise DoseError(path, "not the whole state of a training", ANOTHER)
    content["state_dict"] = checked_state(content["state_dict"], path, DoseError, "a training's state", ANOTHER)
    return content


def unwritable(path: Path, error: OSError) -> DoseError:
    """Return the error for a place that cannot be written to."""
    return DoseError(path, f"cannot be written: {error.strerror or error}", "free space, or give another --out")


class Checkpointing(CheckpointCallback):
    """At the end of each leg: the best model if it is better than those before, then the state to go on from.

    In this order, so that a state never tells of a model that is not there.
    """

    def __init__(
        self,
        out: Path,
        folder: Path,
        until: int | None,
        then: Callable[[Trainer, LightningModule], None],
        how: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.out, self.folder, self.until, self.then = out, folder, until, then
        self.how = how
        """On which machine and with which versions: told in the state, and free to change."""
        self._changes: list[str] = []
        self.best: dict[str, Any] = {}
        """Step and held-out losses of the best model."""
        self.ended = ""
        """Why the training is over; empty while it is not."""

    @property
    def state_file(self) -> Path:
        """Where the state is."""
        return self.folder / "last.ckpt"

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.ended = dict(state_dict["best"]), str(state_dict["ended"])

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        assert isinstance(pl_module, DoseModule)
        told = {name: dict(part) for name, part in self.how.items()}
        checkpoint[OURS] = {"version": VERSION, **about(pl_module), **told}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        self._changes = list(_changes(checkpoint[OURS], self.how))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, DoseModule)
        if self._changes and trainer.is_global_zero:
            log.warning(
                "%s goes on otherwise than before: %s. It is a sound training still, but not the one that it would "
                "have been: pairs may come in another order, or numbers be rounded in another way",
                "-".join(pl_module.instruments),
                ", ".join(self._changes),
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self.ended:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, DoseModule)
        step, losses = trainer.global_step, pl_module.held_out
        if not self.best or losses["all"]["full"] < self.best["held_out"]["all"]["full"]:
            self.best = {"step": step, "held_out": {name: dict(parts) for name, parts in losses.items()}}
            if trainer.is_global_zero:
                self._keep_best(pl_module)
        if step >= pl_module.recipe.schedule.steps:
            self.ended = "all steps"
        elif trainer.should_stop:
            self.ended = "patience"
        trainer.save_checkpoint(self.state_file)
        if self.until is not None and step >= self.until:
            trainer.should_stop = True
        self.then(trainer, pl_module)

    def _keep_best(self, module: DoseModule) -> None:
        checkpoint = DoseCheckpoint(
            recipe=module.recipe,
            instruments=module.instruments,
            codec=module.data.identity.to_dict(),
            progress=self.best,
            state=module.model.state_dict(),
        )
        path = self.out / checkpoint_name(module.instruments)
        try:
            publish_bytes(dose_checkpoint_bytes(checkpoint), path, self.out / DRAFTS)
        except OSError as error:
            raise unwritable(path, error) from error


def about(module: DoseModule) -> dict[str, Any]:
    """Return what tells one training's state from another's."""
    return {
        "recipe": module.recipe.model_dump(mode="json"),
        "instruments": list(module.instruments),
        "codec": module.data.identity.to_dict(),
    }


def _changes(there: Mapping[str, Any], now: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield in words what is no longer as a state tells it. One that does not tell it, changes nothing."""
    for part, values in now.items():
        before = there.get(part)
        if not isinstance(before, dict):
            continue
        for name, value in values.items():
            if name in before and before[name] != value:
                yield f"{name} {value} instead of {before[name]}"


def require_same(state: Mapping[str, Any], module: DoseModule, path: Path) -> None:
    """Raise BuildError or DoseError unless a state is of this very training: size, classes, codec, recipe."""
    wanted = about(module)
    there = {name: state[OURS].get(name) for name in wanted}
    refuse_differences(there, wanted, path, "the state of another training", ANOTHER)
    weights = module.state_dict()
    for name in weights.keys() | state["state_dict"].keys():
        have, ours = state["state_dict"].get(name), weights.get(name)
        if have is None or ours is None or have.shape != ours.shape:
            raise DoseError(path, f"its weights are of another model: {name}", ANOTHER)
