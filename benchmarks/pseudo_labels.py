"""What a classifier gains from sounds that it has labelled itself, on fixed folds of kits.

    python benchmarks/pseudo_labels.py --library library.csv --out OUT [--first 2] [--steps 600] [--above 0.95]

In each of five folds a third of the training kits keeps its labels, and the labels of the others are taken away. Three
networks are trained: on the third alone; on the third and the sounds that the first network labels with enough
confidence; on all training kits with their true labels. All three answer the test kits, which none has met.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rmod_pipeline.classification.classifier import SoundClassifier, open_classifier
from rmod_pipeline.classification.recipe import ClassifierRecipe, load_classifier_recipe, with_steps
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.evaluation.classifiers.folds import Fold, assign_families, find_families, make_folds
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.training.classifier.material import SoundMaterial, prepare_sound_material
from rmod_pipeline.training.classifier.sounds import LabelledSound, collect_sounds
from rmod_pipeline.training.classifier.train import ClassifierTraining, fit_classifier, split_sounds
from rmod_pipeline.training.loop.trainer import DeviceSettings

LABELLED_PARTS = 3
COPIES = 4
"""Varied copies per sound: fewer than the recipe has, because nine networks are trained."""


class Experiment:
    """The sounds, and how a network is trained on some of them."""

    def __init__(self, sounds: Sequence[LabelledSound], material: SoundMaterial, recipe: ClassifierRecipe) -> None:
        self.sounds, self.material, self.recipe, self.features = list(sounds), material, recipe, LogMel()

    def train(self, labels: dict[int, LabelledSound], valid: Sequence[int], out: Path) -> SoundClassifier:
        """Return a network that has learned from the given sounds, by index, with the given labels."""
        splits = {index: replace(sound, split="train") for index, sound in labels.items()}
        splits |= {index: replace(self.sounds[index], split="valid") for index in valid}
        sounds = [splits.get(index, replace(sound, split="test")) for index, sound in enumerate(self.sounds)]
        data = split_sounds(sounds, self.material, {"train"}, {"valid"})
        training = ClassifierTraining(recipe=self.recipe, libraries=[], out=out, machine=DeviceSettings(device="cpu"))
        report = fit_classifier(training, data, self.features)
        assert report is not None
        return open_classifier(report.model)

    def score(self, classifier: SoundClassifier, indices: Sequence[int]) -> float:
        """Return the share of right classes."""
        answers = classifier.classify_levels([self.material.read(index, 0) for index in indices])
        return float(np.mean([a.best.kind == self.sounds[i].kind for i, a in zip(indices, answers, strict=True)]))

    def label(self, classifier: SoundClassifier, indices: Sequence[int], above: float) -> dict[int, LabelledSound]:
        """Return the sounds that a network is sure of, with its labels."""
        answers = classifier.classify_levels([self.material.read(index, 0) for index in indices])
        return {
            index: replace(self.sounds[index], kind=answer.best.kind, subkind=answer.best.subkind)
            for index, answer in zip(indices, answers, strict=True)
            if answer.best.confidence >= above
        }


def run_fold(
    experiment: Experiment, fold: Fold, families: Sequence[str], options: argparse.Namespace
) -> tuple[float, float, float]:
    """Return the accuracy of the three networks on the test kits of a fold, and print it."""
    sounds = experiment.sounds
    parts = assign_families([sounds[i].kind for i in fold.train], [families[i] for i in fold.train], LABELLED_PARTS)
    known = {i: sounds[i] for i, part in zip(fold.train, parts, strict=True) if part == 0}
    unknown = [i for i in fold.train if i not in known]
    folder = options.out / f"fold-{fold.number + 1}"
    first = experiment.train(known, fold.valid, folder / "labelled")
    pseudo = experiment.label(first, unknown, options.above)
    second = experiment.train({**known, **pseudo}, fold.valid, folder / "pseudo")
    best = experiment.train({i: sounds[i] for i in fold.train}, fold.valid, folder / "all")
    right = np.mean([pseudo[i].kind == sounds[i].kind for i in pseudo]) if pseudo else float("nan")
    scores = (
        experiment.score(first, fold.test),
        experiment.score(second, fold.test),
        experiment.score(best, fold.test),
    )
    print(
        f"| {fold.number + 1} | {len(known)} | {len(pseudo)} of {len(unknown)} | {right:.1%} "
        f"| {scores[0]:.1%} | {scores[1]:.1%} | {scores[2]:.1%} |",
        flush=True,
    )
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--first", type=int, default=5, help="Run only so many of the folds.")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--above", type=float, default=0.95)
    options = parser.parse_args()
    use_threads(1)
    library = load_library(options.library)
    sounds = collect_sounds([library])
    named = find_families([library])
    families = [named[sound.sha256] for sound in sounds]
    recipe = with_steps(load_classifier_recipe(), options.steps)
    recipe = recipe.model_copy(update={"variation": recipe.variation.model_copy(update={"copies": COPIES})})
    material = prepare_sound_material(sounds, recipe, LogMel(), options.out / "material")
    folds = make_folds([sound.kind for sound in sounds], families, options.folds, options.library)
    print("| fold | labelled | labelled by ear | of these right | labelled alone | and by ear | all true labels |")
    print("|---|---|---|---|---|---|---|")
    experiment = Experiment(sounds, material, recipe)
    scores = np.array([run_fold(experiment, fold, families, options) for fold in folds[: options.first]])
    print(f"\ngain of labels by ear: {np.mean(scores[:, 1] - scores[:, 0]) * 100:+.1f} points")
    print(f"gain of true labels: {np.mean(scores[:, 2] - scores[:, 0]) * 100:+.1f} points")


if __name__ == "__main__":
    main()
