"""Measure how much a model uses the mixture: its loss, and its loss when each pair gets the mixture of another pair.

A model may predict how one-shots continue and ignore the mixture; then both losses are equal. Their difference, in nats
per code, is the information that the model takes from the mixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch

from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.reading.loader import TokenPair, load_tokens
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.storage import Location

BATCH = 16


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
    settings, one_class = checkpoint.recipe.loss, len(checkpoint.instruments) == 1
    for index, instrument in enumerate(checkpoint.instruments):
        pairs = islice(load_tokens(out, split, family.name, sounds=[MIX, instrument], rank=0, world_size=1), most)
        own_sums, other_sums = torch.zeros(2, 2, 2, dtype=torch.float64)  # each [(full, onset), (nats, codes)]
        while some_pairs := list(islice(pairs, BATCH)):
            batch = _make_batch(some_pairs, instrument, None if one_class else index, device)
            # The first pair of a batch gets the mixture of the last. A single pair keeps its own.
            rotated = replace(batch, mixtures=batch.mixtures.roll(1, 0))
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


def _make_batch(pairs: list[TokenPair], instrument: str, class_index: int | None, device: str) -> TokenBatch:
    """Return pairs of one instrument as a batch; ``class_index`` is None for a model of one instrument."""
    mixtures, targets = (np.stack([pair["codes"][sound] for pair in pairs]) for sound in (MIX, instrument))
    return TokenBatch(
        mixtures=torch.from_numpy(mixtures.astype(np.int64)).to(device),
        targets=torch.from_numpy(targets.astype(np.int64)).to(device),
        lengths=torch.tensor([pair["frames"][instrument] for pair in pairs], device=device),
        instruments=None if class_index is None else torch.full((len(pairs),), class_index, device=device),
    )
