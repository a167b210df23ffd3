"""Classify many sound files in worker processes: in their order, with bounded memory, each sound once.

    for result in classify_files(files, ClassifierChoice(), cache=cache, workers=4):
        result.file.path, result.classification or result.reason

Every sound is classified alone and by one thread. So the answer about a file depends on nothing but the file and the
classifier, to the last bit: not on the other files, their order, or the number of workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from rmod_pipeline.classification.results import Classification
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.classification_cache import (
    ClassificationCache,
    StoredAnswer,
    classification_cache_file,
    file_status,
)
from rmod_pipeline.curation.one_shot_files import RefusedFile, SoundFile, prepare_file
from rmod_pipeline.errors import ModelError
from rmod_pipeline.library.process_pool import CountProgress, map_in_order

CRASHED = "the decoder crashed on it"


class Classifier(Protocol):
    """What classifies sounds."""

    @property
    def source(self) -> Mapping[str, Any]:
        """Origin of the classifier: file and sha256."""

    def classify(self, sounds: Sequence[Mono]) -> list[Classification]:
        """Classify prepared sounds [samples] at 44,100 Hz."""


class OpensClassifier(Protocol):
    """Says which classifier to use. It is hashable and travels to worker processes, where it opens the classifier."""

    def open(self) -> Classifier:
        """Open the classifier. Raises ModelError for a bad file."""

    def __hash__(self) -> int:
        """Return equal numbers for equal choices."""


@dataclass(frozen=True, slots=True)
class ClassifierChoice:
    """A classifier by its file or the folder of its training; by default the one that comes with rmod."""

    path: Path | None = None

    def open(self) -> Classifier:
        """Open the classifier. Raises ModelError for a bad file, and if torch is not installed."""
        from rmod_pipeline.codec.torch_support import require_torch

        require_torch(ModelError, "classify")
        from rmod_pipeline.classification.classifier import open_classifier

        return _OneByOne(open_classifier(self.path))


@dataclass(frozen=True, slots=True)
class _OneByOne:
    """A classifier that hears one sound at a time: in a batch, the last bits depend on the other sounds."""

    classifier: Classifier

    @property
    def source(self) -> Mapping[str, Any]:
        return self.classifier.source

    def classify(self, sounds: Sequence[Mono]) -> list[Classification]:
        from rmod_pipeline.codec.torch_support import single_thread

        with single_thread():
            return [self.classifier.classify([sound])[0] for sound in sounds]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedFile:
    """What a classifier says of one file, or why it says nothing."""

    file: SoundFile
    sha256: str = ""
    """Of its bytes; empty if it could not be read."""
    seconds: float = 0.0
    """Its duration; 0 if it is not known."""
    classification: Classification | None = None
    """None if there is a reason against it."""
    reason: str = ""
    """Why the file could not be classified; empty if it was."""


_FileAndStatus = tuple[SoundFile, os.stat_result | None]


def classify_files(
    files: Sequence[SoundFile],
    choice: OpensClassifier,
    *,
    cache: ClassificationCache,
    workers: int = 1,
    progress: CountProgress | None = None,
) -> Iterator[ClassifiedFile]:
    """Yield every file with its classification or the reason against it, in the order of ``files``.

    Answers in the cache are not computed again; new ones are stored as they come, so a stopped command resumes. Raises
    ModelError for a bad classifier; no file raises an error.
    """
    new = [number for number, file in enumerate(files) if not cache.has(file)]
    results = _classify_in_order(files, new, choice, cache, workers)
    still_new = set(new)
    for number, file in enumerate(files):
        yield next(results) if number in still_new else _recall(cache, file, choice)
        if progress:
            progress(number + 1, len(files))


@contextmanager
def opened_cache(choice: OpensClassifier, *, fresh: bool = False) -> Iterator[ClassificationCache]:
    """Open the user's cache of the answers of a classifier, which is opened too. Raises ModelError for a bad one."""
    with closing(ClassificationCache(classification_cache_file(), open_once(choice).source, fresh=fresh)) as cache:
        yield cache


def classify_batch(choice: OpensClassifier, files: Sequence[SoundFile]) -> list[ClassifiedFile]:
    """Classify some files: the unit of work of a worker process."""
    return [_classify_file(open_once(choice), file) for file in files]


@lru_cache(maxsize=1)
def open_once(choice: OpensClassifier) -> Classifier:
    """Open a classifier, or return it if it is the one that this process opened last. Raises ModelError."""
    return choice.open()


def _classify_file(classifier: Classifier, file: SoundFile) -> ClassifiedFile:
    prepared = prepare_file(file)
    if isinstance(prepared, RefusedFile):
        return ClassifiedFile(file=file, sha256=prepared.sha256, seconds=prepared.seconds, reason=prepared.reason)
    (classification,) = classifier.classify([prepared.audio])
    return ClassifiedFile(file=file, sha256=prepared.sha256, seconds=prepared.seconds, classification=classification)


def _classify_in_order(
    files: Sequence[SoundFile],
    new: Sequence[int],
    choice: OpensClassifier,
    cache: ClassificationCache,
    workers: int,
) -> Iterator[ClassifiedFile]:
    """Yield the results of the files with the numbers ``new``, in that order.

    Only results that overtake another one wait in memory. They are stored before, so that a stop loses none of them.
    """

    # The status is taken before the file is read.
    tasks = ((files[number], file_status(files[number])) for number in new)
    function = partial(_classify_tasks, choice)
    for (file, _), result in map_in_order(function, tasks, workers, len(new), partial(_store, cache)):
        yield result or ClassifiedFile(file=file, reason=CRASHED)


def _classify_tasks(choice: OpensClassifier, tasks: Sequence[_FileAndStatus]) -> list[ClassifiedFile]:
    return classify_batch(choice, [file for file, _ in tasks])


def _store(cache: ClassificationCache, task: _FileAndStatus, result: ClassifiedFile | None) -> None:
    if result is not None and result.classification is not None:
        answer = StoredAnswer(sha256=result.sha256, seconds=result.seconds, classification=result.classification)
        cache.store(result.file, task[1], answer)


def _recall(cache: ClassificationCache, file: SoundFile, choice: OpensClassifier) -> ClassifiedFile:
    """Return the stored answer about a file; classify the file if it is damaged or another process has removed it."""
    answer = cache.load(file)
    if answer is None:
        status = file_status(file)
        result = classify_batch(choice, [file])[0]
        _store(cache, (file, status), result)
        return result
    return ClassifiedFile(file=file, sha256=answer.sha256, seconds=answer.seconds, classification=answer.classification)
