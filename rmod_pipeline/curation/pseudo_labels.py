"""Label sounds by a classifier that is sure of them, so that another one can learn from them too.

A wrong label that the classifier is sure of teaches the next one its mistake. So only sounds above a high confidence
count, and never one of a kit, or with the bytes, of a sound that something is measured on. A copy at another level in
another library is not recognised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rmod_pipeline.curation.classify_files import ClassifiedFile, OpensClassifier, classify_files, opened_cache
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.process_pool import ScanProgress, count_step
from rmod_pipeline.training.classifier.sounds import LabelledSound
from rmod_pipeline.training.loop.data import TRAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabels:
    """Sounds that a classifier has labelled."""

    sounds: tuple[LabelledSound, ...]
    doubtful: int
    """Number of sounds that it is not sure enough of."""
    held_out: int
    """Number of sounds of kits that something is measured on."""
    unreadable: int

    def describe(self) -> str:
        """Return the counts as a sentence."""
        kinds = Counter(sound.kind for sound in self.sounds).most_common()
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds) or "none"
        return (
            f"{len(self.sounds)} sounds are labelled by ear ({listed}); {self.doubtful} are doubtful, "
            f"{self.held_out} belong to kits that are measured on, {self.unreadable} cannot be read"
        )


def find_pseudo_labels(
    unlabelled: Sequence[Library],
    labelled: Sequence[Library],
    choice: OpensClassifier,
    *,
    above: float,
    workers: int = 1,
    progress: ScanProgress | None = None,
) -> PseudoLabels:
    """Label the sounds of libraries whose kinds are not known; the kinds in their manifests are ignored.

    ``labelled``: the libraries of the training, whose valid and test sounds and kits are left out, as are those of the
    ``unlabelled`` ones. above: the confidence, 0..1. Raises ModelError.
    """
    candidates, held_out = _choose_candidates(unlabelled, labelled)
    files = [SoundFile(path=library.path_of(asset), sha256=asset.sha256) for library, asset in candidates]
    on_file = count_step(progress, "Listening")
    with opened_cache(choice) as cache:
        results = classify_files(files, choice, cache=cache, workers=workers, progress=on_file)
        answers = list(zip(candidates, results, strict=True))
    sounds = tuple(_label(answers, above))
    unreadable = sum(result.classification is None for _, result in answers)
    return PseudoLabels(
        sounds=sounds,
        doubtful=len(answers) - unreadable - len(sounds),
        held_out=held_out,
        unreadable=unreadable,
    )


def _choose_candidates(
    unlabelled: Sequence[Library], labelled: Sequence[Library]
) -> tuple[list[tuple[Library, Asset]], int]:
    """Return the sounds that may be learned, each file once, and the number of those that are held out."""
    measured = [asset for library in (*labelled, *unlabelled) for asset in library.assets if asset.split != TRAIN]
    measured_files = {asset.sha256 for asset in measured}
    measured_kits = {asset.kit for asset in measured if asset.kit}
    known = {asset.sha256 for library in labelled for asset in library.assets}
    candidates: dict[str, tuple[Library, Asset]] = {}
    held_out = 0
    for library in unlabelled:
        for asset in library.assets:
            if asset.sha256 in measured_files or asset.kit in measured_kits:
                held_out += 1
            elif asset.sha256 not in known:
                candidates.setdefault(asset.sha256, (library, asset))
    return [candidates[key] for key in sorted(candidates)], held_out


def _label(answers: Sequence[tuple[tuple[Library, Asset], ClassifiedFile]], above: float) -> Iterator[LabelledSound]:
    for (library, asset), result in answers:
        if result.classification is None or result.classification.best.confidence < above:
            continue
        best = result.classification.best
        yield LabelledSound(
            key=asset.sha256,
            path=library.path_of(asset),
            sha256=asset.sha256,
            kind=best.kind,
            subkind=best.subkind,
            group=f"by ear:{asset.group}",
            split=TRAIN,
        )
