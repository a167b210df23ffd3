"""A small classifier with weights drawn at random: enough for laws that hold for any classifier."""

from __future__ import annotations

import torch

from rmod_pipeline.classification.checkpoint import Calibration, ClassifierCheckpoint
from rmod_pipeline.classification.classifier import SoundClassifier
from rmod_pipeline.classification.labels import Leaves
from rmod_pipeline.classification.model import SoundClassifierNet
from rmod_pipeline.classification.recipe import ClassifierRecipe, ClassifierSize
from rmod_pipeline.features import LogMel
from rmod_pipeline.recipe.schedule import TrainingSchedule

LEAVES = Leaves(("kick", "snare", "hihat/closed", "hihat/open", "not_a_drum"))
SIZE = ClassifierSize(channels=(4, 4), width=8, embedding=6, seconds=1.0)
RECIPE = ClassifierRecipe(name="small", model=SIZE, schedule=TrainingSchedule(steps=4, check_every_steps=2, batch=4))


def make_net(seed: int = 0) -> SoundClassifierNet:
    """Return a network whose answers differ from sound to sound."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SoundClassifierNet(SIZE, len(LEAVES.names))
        torch.nn.init.normal_(net.head[1].weight, std=3.0)  # type: ignore[arg-type]
    return net.eval()


def make_classifier(seed: int = 0, calibration: Calibration | None = None) -> SoundClassifier:
    """Return a classifier of kicks, snares, hi-hats and other sounds."""
    return SoundClassifier(
        model=make_net(seed),
        leaves=LEAVES,
        features=LogMel(),
        calibration=calibration or Calibration(),
        source={"file": "sounds.pth", "sha256": f"{seed:064x}"},
    )


def make_checkpoint(seed: int = 0) -> ClassifierCheckpoint:
    """Return the same classifier as a checkpoint."""
    return ClassifierCheckpoint(
        recipe=RECIPE,
        leaves=LEAVES,
        features=LogMel(),
        calibration=Calibration(temperature=1.5, threshold=0.4, sounds=12),
        progress={"step": 4},
        state=make_net(seed).state_dict(),
    )
