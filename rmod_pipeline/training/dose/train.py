"""Train the models of a recipe on a data set.

for report in train_dose(TrainingConfig(recipe=recipe, data=Path("OUT"), out=Path("DIR"))):
    report.best["held_out"]["all"]["full"], report.unigram["all"]["full"]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmod_pipeline.codec.catalogue import is_weights_path
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, read_dose_checkpoint
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.ear.checkpoint import SHIPPED_EAR, EarCheckpoint, load_ear_model, read_ear_checkpoint
from rmod_pipeline.errors import DoseError, UsageError, nearest
from rmod_pipeline.features import LogMel
from rmod_pipeline.reading.decoding import open_decoder
from rmod_pipeline.shards.token_family import explain_other_codec
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import file_digest
from rmod_pipeline.training.dose.baseline import UnigramBaseline
from rmod_pipeline.training.dose.data import TokenData, open_data
from rmod_pipeline.training.dose.initialization import initialize_from_codebooks
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.loop.fit import (
    LoopSettings,
    TrainingReport,
    check_wandb,
    remove_empty_drafts,
    train_module,
)
from rmod_pipeline.training.loop.loaders import batch_per_rank
from rmod_pipeline.training.loop.monitor import ProgressListener
from rmod_pipeline.training.loop.run import claim_run
from rmod_pipeline.training.loop.trainer import DeviceSettings, detect_devices


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
    ear: Path | None = None
    """The ear of a model with ``condition: ear``; by default the one that rmod ships, or that of ``begin_from``."""
    until: int | None = None
    """Stop after the first validation at or after this step; the training can be resumed."""
    wandb: str | None = None
    """A project of Weights & Biases to log to as well."""
    machine: DeviceSettings = field(default_factory=DeviceSettings)


def train_dose(config: TrainingConfig, listener: ProgressListener | None = None) -> Iterator[TrainingReport]:
    """Train the recipe's models one after another; yield a report of each, on the first rank only.

    An interrupted training in the folder is resumed. Raises RmodError.
    """
    recipe, machine = config.recipe, detect_devices(config.machine)
    check_wandb(config.wandb)
    models = choose_models(recipe, config.instrument)
    batch_per_rank(recipe, machine.world_size)
    instruments_of_all = [name for instruments in models for name in instruments]
    checkpoint, ear = _read_first_weights(config, models), _read_ear(config)
    data = open_data(
        config.data,
        _token_name(config.codec),
        recipe,
        instruments_of_all,
        machine.world_size,
        mel=_choose_definition(checkpoint, ear),
    )
    if checkpoint is not None:
        checkpoint.require_codec(data.identity, explain_other_codec(data.out, checkpoint.codec, by_name=True))
    hearings = [_make_hearing(data, instruments, checkpoint, ear) for instruments in models]
    codec = None
    if checkpoint is None and recipe.schedule.begin == "codebooks":
        codec, _ = open_decoder(config.data, config.codec, device="cpu")
    digest = file_digest(config.begin_from) if config.begin_from else None
    claim_run(_describe_run(data, digest, ear), recipe, config.out)
    settings = LoopSettings(out=config.out, until=config.until, wandb=config.wandb, machine=machine)
    is_first_rank = False
    for instruments, hearing in zip(models, hearings, strict=True):
        module = DoseModule(recipe, instruments, data, machine.workers, hearing)
        if ear is not None:
            _give_ear(module.model, ear)
        if checkpoint is not None:
            module.model.load_state_dict(checkpoint.state)
        elif codec is not None:
            initialize_from_codebooks(module.model, codec, recipe.seed)
        report = train_module(module, UnigramBaseline, settings, listener or ProgressListener())
        if report is not None:
            is_first_rank = True
            yield report
    # Another rank that ends earlier must not remove the folder of the first one's drafts.
    if is_first_rank:
        remove_empty_drafts(config.out)


def _describe_run(data: TokenData, begun_from: str | None, ear: EarCheckpoint | None) -> dict[str, Any]:
    """Return the content of run.json; ``begun_from`` is the SHA-256 of the checkpoint with the first weights."""
    return {
        "data": data.to_dict(),
        "codec": data.identity.to_dict(),
        "begun_from": begun_from,
        **({} if ear is None else {"ear": ear.sha256}),
    }


def _choose_definition(checkpoint: DoseCheckpoint | None, ear: EarCheckpoint | None) -> LogMel | None:
    """Return the definition of the features that the first weights or the ear need; None if any will do."""
    if checkpoint is not None and checkpoint.hearing is not None:
        return checkpoint.hearing.mel
    return None if ear is None else ear.features


def _read_ear(config: TrainingConfig) -> EarCheckpoint | None:
    """Return the ear that a new model gets; None if it needs none, or has its own. Raises UsageError, DoseError."""
    condition = config.recipe.model.condition
    if config.ear is not None and condition != "ear":
        found = f"the recipe {config.recipe.name} has model.condition: {condition}, which needs no ear"
        raise UsageError("--ear", found, "leave --ear out, or set model.condition: ear in the recipe")
    if config.ear is not None and config.begin_from is not None:
        raise UsageError("--ear", f"{config.begin_from} has an ear of its own", "leave --ear out")
    if condition != "ear" or config.begin_from is not None:
        return None
    return read_ear_checkpoint(config.ear or SHIPPED_EAR)


def _make_hearing(
    data: TokenData,
    instruments: tuple[str, ...],
    checkpoint: DoseCheckpoint | None,
    ear: EarCheckpoint | None,
) -> Hearing | None:
    """Return how a model hears; None for a condition of tokens. Raises DoseError for an instrument the ear lacks."""
    if data.features is None:
        return None
    if checkpoint is not None:
        return checkpoint.hearing
    if ear is None:
        return Hearing(mel=data.features.mel)
    return Hearing.with_ear(data.features.mel, ear.recipe.model, ear.recipe.instruments, instruments, ear.about)


def _give_ear(model: Dose, ear: EarCheckpoint) -> None:
    """Copy the weights of an ear into a new model."""
    assert model.listener is not None
    model.listener.ear.load_state_dict(load_ear_model(ear).state_dict())


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


def _read_first_weights(config: TrainingConfig, models: tuple[tuple[str, ...], ...]) -> DoseCheckpoint | None:
    """Return the checkpoint with the first weights, if one is given and fits. Raises DoseError."""
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
    return checkpoint
