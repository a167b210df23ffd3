"""Small comparisons: made-up sounds with vectors, and a few sounds of the built-in kit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile

from rmod_pipeline.evaluation.classifiers.compare import ClassifierComparison
from rmod_pipeline.evaluation.classifiers.folds import Fold
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds
from rmod_pipeline.evaluation.classifiers.systems.base import FoldInputs, GuardedLabels, GuardedVectors, TestGuard
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.manifest import compute_library_digest, write_manifest
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.training.classifier.sounds import LabelledSound
from tests.training.classifier.classifier_examples import RECIPE

KINDS = ("kick", "snare", "hihat")


def make_asset(number: int, kind: str = "kick", kit: str = "", group: str = "", sha256: str = "") -> Asset:
    """Return a row of a manifest whose file need not exist."""
    return Asset(
        id=f"sound-{number:04d}",
        path=f"sound-{number:04d}.wav",
        kind=kind,
        kit=kit,
        group=group or f"alone-{number}",
        split="train",
        licence="CC0-1.0",
        source="test",
        sha256=sha256 or f"{number:064x}",
        sample_rate=44_100,
        channels=1,
        frames=100,
        peak_dbfs=-1.0,
        rms_dbfs=-20.0,
    )


def make_library(assets: Sequence[Asset], root: Path = Path("nowhere")) -> Library:
    """Return a library of these rows."""
    ordered = tuple(sorted(assets, key=lambda asset: asset.id))
    return Library(assets=ordered, root=root, manifest=root / "library.csv", digest=compute_library_digest(ordered))


def make_compared(kits: int = 8, per_kit: int = 6, kinds: Sequence[str] = KINDS) -> ComparedSounds:
    """Return sounds whose vectors tell their class, in kits that have every class."""
    rng = np.random.default_rng(0)
    assets = [
        make_asset(number, kind=kinds[number % len(kinds)], kit=f"kit-{number // per_kit}")
        for number in range(kits * per_kit)
    ]
    library = make_library(assets)
    sounds = [
        LabelledSound(
            key=asset.sha256,
            path=library.path_of(asset),
            sha256=asset.sha256,
            kind=asset.kind,
            subkind="",
            group=asset.kit,
            split="train",
        )
        for asset in library.assets
    ]
    centres = rng.standard_normal((len(kinds), 5)) * 4
    vectors = np.stack([centres[kinds.index(sound.kind)] for sound in sounds]) + rng.standard_normal((len(sounds), 5))
    return ComparedSounds(
        sounds=tuple(sounds),
        families=tuple(f"kit {sound.group}" for sound in sounds),
        names=tuple(asset.id for asset in library.assets),
        hand_made=vectors.astype(np.float32),
        unreadable=(),
        libraries=(library,),
    )


def make_inputs(compared: ComparedSounds, fold: Fold) -> tuple[FoldInputs, TestGuard]:
    """Return what the systems without a network may read in a fold, and the guard."""
    guard = TestGuard(fold.test)
    vectors = GuardedVectors(vectors=compared.hand_made, guard=guard)
    labels = GuardedLabels(truth=compared.truth, classes=len(CLASSES), guard=guard)
    return FoldInputs(labels=labels, hand_made=vectors, yamnet=vectors), guard


def make_comparison(
    library: Library, out: Path, systems: Sequence[str] | None = None, folds: int = 2
) -> ClassifierComparison:
    """Return a comparison that takes seconds. Its networks learn from synthesised sounds too."""
    variation = RECIPE.variation.model_copy(update={"synthesised_copies": 0})
    recipe = RECIPE.model_copy(update={"synthesised": 1, "variation": variation})
    return ClassifierComparison(libraries=[library], recipe=recipe, out=out, folds=folds, systems=systems)


def pick_kits(library: Library, kits: int, kinds: Sequence[str], per_kit: int) -> Library:
    """Return a library with some sounds of each kind from some kits."""
    names = sorted({asset.kit for asset in library.assets if asset.kind == kinds[0]})[:kits]
    assets: list[Asset] = []
    for name in names:
        for kind in kinds:
            own = [asset for asset in library.assets if asset.kit == name and asset.kind == kind]
            assets += own[:per_kit]
    ordered = tuple(sorted(assets, key=lambda asset: asset.id))
    return replace(library, assets=ordered, digest=compute_library_digest(ordered))


def write_library(folder: Path, kits: int = 6, kinds: Sequence[str] = KINDS) -> Path:
    """Write short noises as the sounds of kits, and their manifest; return its path."""
    rng = np.random.default_rng(0)
    assets = []
    folder.mkdir(parents=True)
    for number in range(kits * len(kinds)):
        asset = make_asset(number, kinds[number % len(kinds)], f"kit-{number // len(kinds)}")
        soundfile.write(folder / asset.path, rng.uniform(-0.5, 0.5, 2000), 44_100, subtype="PCM_16")
        content = (folder / asset.path).read_bytes()
        assets.append(replace(asset, sha256=sha256(content).hexdigest(), frames=2000))
    write_manifest(folder / "library.csv", assets)
    return folder / "library.csv"
