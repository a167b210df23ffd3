"""A small ear with weights drawn at random: enough for laws that hold for any ear."""

from __future__ import annotations

import torch

from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarSize
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.features import LogMel

INSTRUMENTS = ("kick", "snare", "hihat")

SIZE = EarSize(
    channels=(4, 4, 4),
    width=8,
    layers=1,
    describer_width=16,
    describer_layers=1,
    description_frames=24,
    embedding=8,
    spectrum=8,
)


def make_ear(seed: int = 0, size: EarSize = SIZE) -> OpenedEar:
    """Return an ear of kick, snare and hi-hat, which hears about one hit in fifty frames."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Ear(size, INSTRUMENTS).eval()
        torch.manual_seed(seed + 5)  # it hears all three drums in noise
        torch.nn.init.normal_(model.hits.weight, std=2.0)
    return OpenedEar(model=model, instruments=INSTRUMENTS, features=LogMel(), source={"file": "ear.pth"})
