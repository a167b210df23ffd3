"""Whether a model listens: its loss on a split's tokens, beside its loss when each pair is given another's mixture.

A model may learn well how one-shots go on and hear nothing of the mixture before them: then both are the same. The
difference, in nats a code, is what it takes from the mixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model
from rmod_pipeline.dose.loss import Pairs, dose_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.reading.loader import TokenPair, load_tokens
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.storage import Location

BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Losses of a model on one instrument, in nats a code."""

    instrument: str
    full: float
    onset: float
    full_of_another: float
    """With the mixture of another pair."""
    onset_of_another: float


def listening(
    out: Location,
    split: str,
    checkpoint: DoseCheckpoint,
    family: TokenFamily,
    *,
    device: str = "cpu",
    most: int | None = None,
) -> Iterator[Listening]:
    """Yield the losses for each instrument of a model, over a split's pairs or so many of them. Raises ShardError."""
    model = load_dose_model(checkpoint).to(device)
    several = len(checkpoint.instruments) > 1
    for place, instrument in enumerate(checkpoint.instruments):
        pairs = islice(load_tokens(out, split, family.name, sounds=[MIX, instrument], rank=0, world_size=1), most)
        sums = torch.zeros(2, 2, 2, dtype=torch.float64)  # [own or another's, full or onset, (nats, codes)]
        while part := list(islice(pairs, BATCH)):
            batch = _batch(part, instrument, place if several else None, device)
            sums[0] += _sums(model, batch, checkpoint)
            # The last of a batch is given the first's; where there is but one pair, no other is there.
            sums[1] += _sums(model, replace(batch, mixtures=batch.mixtures.roll(1, 0)), checkpoint)
        means = (sums[..., 0] / sums[..., 1].clamp_min(1)).tolist()
        (full, onset), (full_of_another, onset_of_another) = means
        yield Listening(
            instrument=instrument,
            full=full,
            onset=onset,
            full_of_another=full_of_another,
            onset_of_another=onset_of_another,
        )


@torch.no_grad()
def _sums(model: Dose, batch: Pairs, checkpoint: DoseCheckpoint) -> Tensor:
    losses = dose_losses(model, batch, checkpoint.recipe.loss)
    full, onset = losses.full.double() * losses.full_tokens, losses.onset.double() * losses.onset_tokens
    return torch.stack(
        [torch.stack([full, losses.full_tokens.double()]), torch.stack([onset, losses.onset_tokens.double()])]
    ).cpu()


def _batch(part: list[TokenPair], instrument: str, place: int | None, device: str) -> Pairs:
    mixtures, targets = (np.stack([pair["codes"][sound] for pair in part]) for sound in (MIX, instrument))
    return Pairs(
        mixtures=torch.from_numpy(mixtures.astype(np.int64)).to(device),
        targets=torch.from_numpy(targets.astype(np.int64)).to(device),
        lengths=torch.tensor([pair["frames"][instrument] for pair in part], device=device),
        instruments=None if place is None else torch.full((len(part),), place, device=device),
    )
