"""Set up lightning's Trainer: devices, precision, loggers, and its warnings and signal handlers."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.strategies import DDPStrategy

from rmod_pipeline.errors import ModelError, UsageError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.loop.checkpointing import DRAFTS, PlainFileIO
from rmod_pipeline.training.loop.module import TrainingModule

LOG_EVERY_STEPS = 50

WANDB_RUN = "wandb-run"
"""File in a model's folder: the id of its run at Weights & Biases."""

AUTO = "auto"
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What a training runs on. Of these only devices, nodes and workers affect the order of pairs."""

    device: str = "auto"
    """auto, cpu or cuda; auto is cuda if torch can use it."""
    devices: int = 1
    """Devices per node."""
    nodes: int = 1
    workers: int = 0
    """Processes per device that read shards."""

    @property
    def world_size(self) -> int:
        """The total number of devices."""
        return self.devices * self.nodes


def detect_devices(settings: DeviceSettings) -> DeviceSettings:
    """Return the settings with a concrete device; under torchrun, with its number of processes.

    Raises UsageError for an unknown device, ModelError for one that does not exist.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local_world_size = int(os.environ["LOCAL_WORLD_SIZE"])
        world_size = int(os.environ["WORLD_SIZE"])
        settings = replace(settings, devices=local_world_size, nodes=world_size // local_world_size)
    requested, has_cuda = settings.device, torch.cuda.is_available()
    if requested not in (AUTO, *ACCELERATORS):
        found = f"no device is called {requested}"
        raise UsageError("--device", found, f"choose {', '.join((AUTO, *ACCELERATORS))}")
    if requested == AUTO:
        # lightning's own choice may be Apple's GPU, which has no float64 for the sums of losses.
        settings = replace(settings, device="cuda" if has_cuda else "cpu")
    gpus = torch.cuda.device_count() if has_cuda else 0
    if settings.device == "cuda" and gpus < settings.devices:
        found = f"{gpus} GPUs that this torch can use, {settings.devices} asked for"
        raise ModelError(f"--device {requested}", found, "give at most as many --devices, or --device cpu")
    return settings


def make_trainer(
    module: TrainingModule, settings: DeviceSettings, out: Path, folder: Path, callbacks: Sequence[Callback]
) -> Trainer:
    """Return a trainer for one model, whose files go to ``folder`` inside ``out``; one epoch is one interval."""
    schedule = module.recipe.schedule
    early_stopping = (
        [EarlyStopping(module.valid_loss, patience=schedule.patience, mode="min", check_on_train_epoch_end=True)]
        if schedule.patience is not None
        else []
    )
    return Trainer(
        accelerator=ACCELERATORS[settings.device],
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=DDPStrategy(broadcast_buffers=False) if settings.world_size > 1 else "auto",
        precision=PRECISIONS[schedule.precision],  # type: ignore[arg-type]
        logger=TensorBoardLogger(folder, name="log", version=""),
        callbacks=[*callbacks, *early_stopping],
        plugins=[PlainFileIO(out / DRAFTS)],
        max_epochs=-(-schedule.steps // schedule.check_every_steps),
        log_every_n_steps=min(LOG_EVERY_STEPS, schedule.check_every_steps),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def make_wandb_logger(folder: Path, project: str, drafts: Path, resumed: bool) -> WandbLogger:
    """Return a logger to this training's run at Weights & Biases, or to a new run unless the training is resumed."""
    path = folder / WANDB_RUN
    with report_unwritable(path, kind=ModelError):
        if not (resumed and path.exists()):
            publish_bytes(f"{uuid4().hex}\n".encode(), path, drafts)
        run = path.read_text(encoding="utf-8").strip()
    return WandbLogger(project=project, name=folder.name, id=run, resume="allow", save_dir=folder)


@contextmanager
def silence_lightning() -> Iterator[None]:
    """Hide lightning's information messages and warnings."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def keep_keyboard_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C, where lightning would ignore further signals and exit with status 1."""
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise
    finally:
        if is_main:
            signal.signal(signal.SIGINT, handler)
