"""Hear the kinds of files for a scan, with the classifier and its cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.classification.results import Classification
from rmod_pipeline.curation.classification_cache import ClassificationCache, classification_cache_file
from rmod_pipeline.curation.classify_files import ClassifierChoice, classify_files, open_once
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.scanning.listening import KindByEar
from rmod_pipeline.library.taxonomy import kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierListener:
    """What hears files for a scan: a classifier in worker processes."""

    choice: ClassifierChoice
    workers: int = 1
    fresh: bool = False
    """Listen to unchanged files again too."""

    def hear(self, paths: Sequence[Path], progress: ScanProgress | None) -> Iterator[KindByEar | None]:
        """Yield what each file is, in order; None for one that cannot be classified. Raises ModelError."""

        def count(done: int, total: int) -> None:
            if progress:
                progress("Listening", done, total)

        files = [SoundFile(path=path) for path in paths]
        source = open_once(self.choice).source
        with closing(ClassificationCache(classification_cache_file(), source, fresh=self.fresh)) as cache:
            for result in classify_files(files, self.choice, cache=cache, workers=self.workers, progress=count):
                yield to_kind_by_ear(result.classification) if result.classification else None


def to_kind_by_ear(classification: Classification) -> KindByEar:
    """Return a classification in the words of a scan."""
    best = classification.best
    return KindByEar(
        kind=kind_of(best.kind, best.subkind),
        is_certain=classification.is_certain,
        confidences={guess.kind: guess.confidence for guess in classification.guesses},
    )
