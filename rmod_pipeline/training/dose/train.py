"""Recipe and data set -> trained models.

for report in train(Training(recipe=recipe, data=Path("OUT"), out=Path("DIR"))):
    report.best["held_out"]["all"]["full"], report.unigram["all"]["full"]
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.strategies import DDPStrategy

from rmod_pipeline.dose.checkpoint import DoseCheckpoint, checkpoint_name, read_dose_checkpoint
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError, UsageError, nearest
from rmod_pipeline.reading.decoding import open_decoder
from rmod_pipeline.storage import Location, parse_location
from rmod_pipeline.storage.publish import file_digest, publish_bytes, sweep_drafts
from rmod_pipeline.training.dose.baseline import Baseline
from rmod_pipeline.training.dose.checkpointing import (
    DRAFTS,
    Checkpointing,
    PlainFileIO,
    read_state,
    require_same,
    unwritable,
)
from rmod_pipeline.training.dose.data import TokenData, open_data, share
from rmod_pipeline.training.dose.initialization import begin_with_codebooks
from rmod_pipeline.training.dose.losses import StepLosses
from rmod_pipeline.training.dose.module import VALID_LOSS, DoseModule
from rmod_pipeline.training.dose.monitor import Monitor, ProgressListener
from rmod_pipeline.training.dose.run import claim_run, describe_run, package_versions

LOGGED_EVERY = 50
"""Steps."""

WANDB_RUN = "wandb-run"
"""In a model's folder: the id of its run at Weights & Biases."""

AUTO = "auto"
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What a training runs on. The order of pairs depends on devices, nodes and workers; nothing else does."""

    device: str = "auto"
    """auto, cpu or cuda; auto is cuda where torch can use it."""
    devices: int = 1
    """Of each node."""
    nodes: int = 1
    workers: int = 0
    """Processes that read shards, for each device."""

    @property
    def world(self) -> int:
        """How many devices there are in all."""
        return self.devices * self.nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is to be trained, on what, and where to."""

    recipe: DoseRecipe
    data: Location
    """A data set with tokens: its folder, or its address on an object store."""
    out: Path
    codec: str | None = None
    """Whose tokens, where there are several; or the path of its weights, where rmod does not know them by name."""
    instrument: str | None = None
    """One of the recipe's; all by default."""
    begin_from: Path | None = None
    """A checkpoint whose weights to begin with."""
    until: int | None = None
    """Stop at the end of the leg in which this step lies, to be gone on with."""
    wandb: str | None = None
    """A project of Weights & Biases to log to as well."""
    machine: DeviceSettings = field(default_factory=DeviceSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What came of a training."""

    instruments: tuple[str, ...]
    model: Path
    """The best checkpoint."""
    steps: int
    ended: str
    """``all steps`` or ``patience``; empty if it was told to stop before."""
    best: Mapping[str, Any]
    """``step`` and ``held_out`` losses of the best checkpoint."""
    unigram: StepLosses
    """Losses of the baseline."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        told = {"instruments": list(self.instruments), "steps": self.steps, "ended": self.ended}
        return {**told, "best": dict(self.best), "unigram": self.unigram}


def train_dose(training: Training, listener: ProgressListener | None = None) -> Iterator[TrainingReport]:
    """Train the recipe's models one after another; yield a report of each, on the first rank alone.

    What is begun in the folder is gone on with. Raises RmodError.
    """
    recipe, out, machine = training.recipe, training.out, detect_devices(training.machine)
    if training.wandb is not None and find_spec("wandb") is None:
        raise UsageError("--wandb", "Weights & Biases is not installed", "pip install wandb, and log in to it")
    models = chosen_models(recipe, training.instrument)
    share(recipe, machine.world)
    # The tokens' name, or the weights where rmod does not know them by it.
    spoken = None if training.codec and parse_location(training.codec).is_file() else training.codec
    data = open_data(training.data, spoken, recipe, [name for names in models for name in names], machine.world)
    begin = _beginning(training, models, data)
    codec = None
    if begin is None and recipe.schedule.begin == "codebooks":
        codec, _ = open_decoder(training.data, training.codec, device="cpu")
    digest = file_digest(training.begin_from) if training.begin_from else None
    claim_run(describe_run(recipe, data, digest), out)
    first = False  # rank: it writes all files, and another that ends before it must not remove where it drafts them
    for instruments in models:
        module = DoseModule(recipe, instruments, data, machine.workers)
        if begin is not None:
            module.model.load_state_dict(begin.state)
        elif codec is not None:
            begin_with_codebooks(module.model, codec, recipe.seed)
        report = _fit(module, training, machine, listener or ProgressListener())
        if report is not None:
            first = True
            yield report
    if first:
        with suppress(OSError):
            (out / DRAFTS).rmdir()


def chosen_models(recipe: DoseRecipe, instrument: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the models to train, each by its instruments. Raises UsageError for one that the recipe has not."""
    if instrument is None:
        return recipe.models
    if instrument not in recipe.instruments:
        found = f"the recipe {recipe.name} has no such instrument{nearest(instrument, recipe.instruments)}"
        raise UsageError(f"--instrument {instrument}", found, f"choose {', '.join(recipe.instruments)}")
    alone = tuple(names for names in recipe.models if names == (instrument,))
    if not alone:
        found = f"the recipe {recipe.name} makes one model for {', '.join(recipe.instruments)}"
        raise UsageError(f"--instrument {instrument}", found, "leave it out, or set one_model: false in the recipe")
    return alone


def detect_devices(machine: DeviceSettings) -> DeviceSettings:
    """Return what to run on: what torchrun says if it started this process. Raises DoseError for what is not there."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        world = int(os.environ["WORLD_SIZE"])
        machine = replace(machine, devices=local, nodes=world // local)
    asked, there = machine.device, torch.cuda.is_available()
    if asked not in (AUTO, *ACCELERATORS):
        raise UsageError("--device", f"no device is called {asked}", f"choose {', '.join((AUTO, *ACCELERATORS))}")
    if asked == AUTO:
        # Not lightning's: it would take Apple's GPUs, which have no float64 for the losses to be summed in.
        machine = replace(machine, device="cuda" if there else "cpu")
    found = torch.cuda.device_count() if there else 0
    if machine.device == "cuda" and found < machine.devices:
        hint = "give as many --devices as there are, or --device cpu"
        about = f"--device {asked}"
        raise DoseError(about, f"{found} GPUs that this torch can use, {machine.devices} asked for", hint)
    return machine


def _beginning(training: Training, models: tuple[tuple[str, ...], ...], data: TokenData) -> DoseCheckpoint | None:
    """Return the checkpoint to begin with, if it fits. Raises DoseError, CodecError."""
    if training.begin_from is None:
        return None
    checkpoint = read_dose_checkpoint(training.begin_from)
    if models != (checkpoint.instruments,):
        asked = " and ".join("-".join(names) for names in models)
        found = f"a model for {'-'.join(checkpoint.instruments)}, this training is of {asked}"
        raise DoseError(training.begin_from, found, "give --instrument, or a checkpoint for the same instruments")
    checkpoint.require_size(training.recipe.model)
    checkpoint.require_codec(data.identity)
    return checkpoint


def _fit(
    module: DoseModule, training: Training, machine: DeviceSettings, listener: ProgressListener
) -> TrainingReport | None:
    """Train a model to its end, or as far as is asked for; return its report on the first rank."""
    name, out = "-".join(module.instruments), training.out
    watch = Monitor(listener)
    how = {"machine": asdict(machine), "versions": package_versions()}
    keeper = Checkpointing(out, out / name, training.until, watch.tell, how)
    baseline = Baseline(out / name / "unigram.json", out / DRAFTS)
    with _quietly(), _interrupts_as_they_are():
        trainer = _trainer(module, training, machine, [watch, baseline, keeper])
        if trainer.is_global_zero:
            sweep_drafts(out / DRAFTS)
        resumed = keeper.state_file if keeper.state_file.exists() else None
        if resumed:
            require_same(read_state(resumed), module, resumed)
        wandb = None
        if training.wandb is not None and trainer.is_global_zero:
            wandb = _wandb_logger(out / name, training.wandb, out / DRAFTS, resumed is not None)
            trainer.loggers = [*trainer.loggers, wandb]
        try:
            trainer.fit(module, ckpt_path=resumed, weights_only=True)
        except torch.OutOfMemoryError as error:
            hint = "set a smaller schedule.batch, or use more devices"
            found = f"out of memory with {share(module.recipe, machine.world)} pairs on a device"
            raise DoseError(f"training {name}", found, hint) from error
        finally:
            module.close()
            if wandb is not None:
                wandb.experiment.finish()  # or the next model would log into the same run
    if not trainer.is_global_zero:
        return None
    report = TrainingReport(
        instruments=module.instruments,
        model=out / checkpoint_name(module.instruments),
        steps=trainer.global_step,
        ended=keeper.ended,
        best=keeper.best,
        unigram=baseline.losses,
    )
    path = out / name / "report.json"
    try:
        publish_bytes(json.dumps(report.to_dict(), indent=1).encode() + b"\n", path, out / DRAFTS)
    except OSError as error:
        raise unwritable(path, error) from error
    return report


def _trainer(module: DoseModule, training: Training, machine: DeviceSettings, callbacks: list[Callback]) -> Trainer:
    schedule, folder = module.recipe.schedule, training.out / "-".join(module.instruments)
    if schedule.patience is not None:
        callbacks.append(
            EarlyStopping(VALID_LOSS, patience=schedule.patience, mode="min", check_on_train_epoch_end=True)
        )
    return Trainer(
        accelerator=ACCELERATORS[machine.device],
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy=DDPStrategy(broadcast_buffers=False) if machine.world > 1 else "auto",
        precision=PRECISIONS[schedule.precision],  # type: ignore[arg-type]
        logger=TensorBoardLogger(folder, name="log", version=""),
        callbacks=callbacks,
        plugins=[PlainFileIO(training.out / DRAFTS)],
        max_epochs=-(-schedule.steps // schedule.check_every_steps),
        log_every_n_steps=min(LOGGED_EVERY, schedule.check_every_steps),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def _wandb_logger(folder: Path, project: str, drafts: Path, resumed: bool) -> WandbLogger:
    """Return a logger to the run that this training has logged to before, or to a new one if it begins."""
    kept = folder / WANDB_RUN
    try:
        if not (resumed and kept.exists()):
            publish_bytes(f"{uuid4().hex}\n".encode(), kept, drafts)
        run = kept.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise unwritable(kept, error) from error
    return WandbLogger(project=project, name=folder.name, id=run, resume="allow", save_dir=folder)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep lightning from telling what nobody asked it."""
    told = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in told]
    for logger in told:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for logger, level in zip(told, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interrupts_as_they_are() -> Iterator[None]:
    """Let Ctrl-C come out as KeyboardInterrupt, where lightning would end the process with 1 and a deaf ear."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
