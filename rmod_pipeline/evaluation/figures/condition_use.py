"""Measure how much a model uses the mixture: its loss, and its loss when each pair gets the mixture of another pair.

A model may predict how one-shots continue and ignore the mixture; then both losses are equal. Their difference, in nats
per code, is the information that the model takes from the mixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import torch

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.codec import fit_window, mix_to_mono
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.errors import ShardError
from rmod_pipeline.extraction.extractor import read_checkpoints
from rmod_pipeline.features import MelLevels
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.reading.loader import TokenPair, load_audio, load_tokens
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family
from rmod_pipeline.shards.windows.feature_family import feature_names
from rmod_pipeline.storage import Location

BATCH = 16


def measure_model(
    out: Location, split: str, path: Path, *, device: str = "cpu", most: int | None = None
) -> Iterator[ConditionUse]:
    """Yield the losses of all models of a file or folder on a split. Nothing if it has no tokens of their codec.

    Raises DoseError and ShardError.
    """
    families = [read_family(out, name) for name in family_names(out)]
    for checkpoint in read_checkpoints(path):
        digest = checkpoint.codec.get("sha256")
        family = next((family for family in families if digest is not None and family.codec["sha256"] == digest), None)
        if family is not None:
            yield from measure_condition_use(out, split, checkpoint, family, device=device, most=most)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionUse:
    """Losses of a model on one instrument, in nats per code, with its own and with another pair's mixture."""

    instrument: str
    full: float
    onset: float
    full_with_other_mixture: float
    onset_with_other_mixture: float


def measure_condition_use(
    out: Location,
    split: str,
    checkpoint: DoseCheckpoint,
    family: TokenFamily,
    *,
    device: str = "cpu",
    most: int | None = None,
) -> Iterator[ConditionUse]:
    """Yield the losses of each instrument of a model on a split, or on its first ``most`` pairs. Raises ShardError."""
    model = load_dose_model(checkpoint).to(device)
    size = checkpoint.recipe.model.condition_frames
    settings, one_class = checkpoint.recipe.loss, len(checkpoint.instruments) == 1
    for index, instrument in enumerate(checkpoint.instruments):
        tokens = load_tokens(out, split, family.name, sounds=[MIX, instrument], rank=0, world_size=1)
        pairs = islice(zip(tokens, _iterate_levels(out, split, checkpoint.hearing, size), strict=False), most)
        own_sums, other_sums = torch.zeros(2, 2, 2, dtype=torch.float64)  # each [(full, onset), (nats, codes)]
        while some_pairs := list(islice(pairs, BATCH)):
            batch = _make_batch(some_pairs, instrument, None if one_class else index, device)
            # The first pair of a batch gets the mixture of the last. A single pair keeps its own.
            levels = None if batch.levels is None else batch.levels.roll(1, 0)
            rotated = replace(batch, mixtures=batch.mixtures.roll(1, 0), levels=levels)
            with torch.no_grad():
                own_sums += compute_losses(model, batch, settings).sums().cpu()
                other_sums += compute_losses(model, rotated, settings).sums().cpu()
        full, onset = (own_sums[:, 0] / own_sums[:, 1].clamp_min(1)).tolist()
        other_full, other_onset = (other_sums[:, 0] / other_sums[:, 1].clamp_min(1)).tolist()
        yield ConditionUse(
            instrument=instrument,
            full=full,
            onset=onset,
            full_with_other_mixture=other_full,
            onset_with_other_mixture=other_onset,
        )


def _iterate_levels(
    out: Location, split: str, hearing: Hearing | None, frames: int
) -> Iterator[tuple[str, MelLevels | None]]:
    """Yield key and levels of the mixtures of a split: those of its features, or else of its audio; None for tokens."""
    if hearing is None:
        yield from repeat(("", None))
        return
    mel = hearing.mel
    if mel.name in feature_names(out):
        for pair in load_features(out, split, features=mel.name, sounds=[MIX], rank=0, world_size=1):
            yield pair["key"], pair["levels"][MIX]
        return
    for pair in load_audio(out, split, sounds=[MIX], rank=0, world_size=1):
        yield pair["key"], mel.compute(fit_window(mix_to_mono(to_pcm(pair["audio"][MIX])), frames, mel.hop).audio)


def _make_batch(
    pairs: list[tuple[TokenPair, tuple[str, MelLevels | None]]], instrument: str, class_index: int | None, device: str
) -> TokenBatch:
    """Return pairs of one instrument as a batch; ``class_index`` is None for a model of one instrument."""
    mixtures, targets = (np.stack([pair["codes"][sound] for pair, _ in pairs]) for sound in (MIX, instrument))
    levels = [levels for _, (_, levels) in pairs if levels is not None]
    for pair, (key, _) in pairs if levels else ():
        if key != pair["key"]:
            raise ShardError(
                f"split of {key}", f"stands beside {pair['key']}", "`rmod verify OUT` says what is damaged"
            )
    return TokenBatch(
        mixtures=torch.from_numpy(mixtures.astype(np.int64)).to(device),
        targets=torch.from_numpy(targets.astype(np.int64)).to(device),
        lengths=torch.tensor([pair["frames"][instrument] for pair, _ in pairs], device=device),
        instruments=None if class_index is None else torch.full((len(pairs),), class_index, device=device),
        levels=torch.from_numpy(np.stack(levels)).to(device) if levels else None,
    )
