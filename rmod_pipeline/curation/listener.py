"""Hear the kinds of files for a scan, with the classifier and its cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.classification.results import Classification
from rmod_pipeline.curation.classify_files import ClassifierChoice, classify_files, opened_cache
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.library.process_pool import ScanProgress, count_step
from rmod_pipeline.library.scanning.listening import KindByEar
from rmod_pipeline.library.taxonomy import kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierListener:
    """What hears files for a scan: a classifier in worker processes."""

    choice: ClassifierChoice
    workers: int = 1
    fresh: bool = False
    """Listen to unchanged files again too."""

    def hear(self, paths: Sequence[Path], progress: ScanProgress | None) -> Iterator[KindByEar | str]:
        """Yield what each file is, in order; for one that cannot be classified, the reason. Raises ModelError."""
        files = [SoundFile(path=path) for path in paths]
        on_file = count_step(progress, "Listening")
        with opened_cache(self.choice, fresh=self.fresh) as cache:
            for result in classify_files(files, self.choice, cache=cache, workers=self.workers, progress=on_file):
                yield to_kind_by_ear(result.classification) if result.classification else result.reason


def to_kind_by_ear(classification: Classification) -> KindByEar:
    """Return a classification in the words of a scan."""
    best = classification.best
    return KindByEar(
        kind=kind_of(best.kind, best.subkind),
        is_certain=classification.is_certain,
        confidences={guess.kind: guess.confidence for guess in classification.guesses},
    )
