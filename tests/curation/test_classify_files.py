"""Laws of classifying many files: the order of the files, equal answers with any workers and caches, resume, faults."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.curation.classification_cache import ClassificationCache, StoredAnswer
from rmod_pipeline.curation.classify_files import CRASHED, ClassifiedFile, classify_files
from rmod_pipeline.curation.one_shot_files import SoundFile
from tests.curation.fake_classifier import FakeChoice, FakeClassifier, count_answers
from tests.library.library_sounds import hit, write_sound

CHOICE = FakeChoice()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[SoundFile]:
    """Seventy files, of which every tenth cannot be read."""
    folder = tmp_path_factory.mktemp("sounds")
    paths = [write_sound(folder / f"{number:02}.wav", hit(number, 0.1)) for number in range(70)]
    for path in paths[::10]:
        path.write_bytes(b"no sound")
    return [SoundFile(path=path) for path in paths]


def open_cache(path: Path | None, choice: FakeChoice = CHOICE, fresh: bool = False) -> ClassificationCache:
    return ClassificationCache(path, choice.open().source, fresh=fresh)


def run(
    files: Sequence[SoundFile],
    choice: FakeChoice = CHOICE,
    cache: Path | None = None,
    workers: int = 1,
    fresh: bool = False,
) -> list[ClassifiedFile]:
    with closing(open_cache(cache, choice, fresh)) as opened:
        return list(classify_files(files, choice, cache=opened, workers=workers))


def assert_equal(results: Sequence[ClassifiedFile], expected: Sequence[ClassifiedFile]) -> None:
    """Everything is equal, to the last bit."""
    for one, other in zip(results, expected, strict=True):
        assert (one.file, one.sha256, one.seconds, one.reason) == (
            other.file,
            other.sha256,
            other.seconds,
            other.reason,
        )
        if other.classification is None:
            assert one.classification is None
            continue
        assert one.classification is not None
        assert one.classification.guesses == other.classification.guesses
        assert one.classification.is_certain == other.classification.is_certain
        assert one.classification.embedding.dtype == np.float32
        assert np.array_equal(one.classification.embedding, other.classification.embedding)


@pytest.fixture(scope="module")
def expected(files: list[SoundFile]) -> list[ClassifiedFile]:
    return run(files)


def test_files_keep_their_order_and_a_bad_one_stops_nothing(
    files: list[SoundFile], expected: list[ClassifiedFile]
) -> None:
    assert [result.file for result in expected] == files
    assert [bool(result.reason) for result in expected] == [number % 10 == 0 for number in range(70)]
    assert all((result.classification is None) == bool(result.reason) for result in expected)


@pytest.mark.slow
def test_workers_change_nothing(files: list[SoundFile], expected: list[ClassifiedFile], tmp_path: Path) -> None:
    assert_equal(run(files, cache=tmp_path / "c.sqlite", workers=2), expected)
    assert_equal(run(files, cache=tmp_path / "c.sqlite"), expected)


@given(st.lists(st.integers(0, 69), max_size=12))
@settings(max_examples=20)
def test_an_answer_does_not_depend_on_the_other_files(
    files: list[SoundFile], expected: list[ClassifiedFile], numbers: list[int]
) -> None:
    assert_equal(run([files[number] for number in numbers]), [expected[number] for number in numbers])


def test_a_cached_answer_is_the_fresh_one_and_nothing_is_classified_twice(
    files: list[SoundFile], expected: list[ClassifiedFile], tmp_path: Path
) -> None:
    choice, cache = FakeChoice(log=tmp_path / "log"), tmp_path / "c.sqlite"
    for _ in range(3):
        assert_equal(run(files, choice, cache), expected)
        assert count_answers(tmp_path / "log") == 63
    run(files, choice, cache, fresh=True)
    assert count_answers(tmp_path / "log") == 126


def test_a_file_is_known_by_its_content(files: list[SoundFile], expected: list[ClassifiedFile], tmp_path: Path) -> None:
    """With a SHA-256 from a manifest, the file need not even be there."""
    run(files, cache=tmp_path / "c.sqlite")
    moved = [
        SoundFile(path=tmp_path / f"moved-{number}.wav", sha256=result.sha256)
        for number, result in enumerate(expected)
        if result.sha256
    ]
    choice = FakeChoice(log=tmp_path / "log")
    results = run(moved, choice, tmp_path / "c.sqlite")
    assert [result.sha256 for result in results] == [file.sha256 for file in moved]
    assert all(result.classification for result in results) and not count_answers(tmp_path / "log")


def test_another_classifier_and_a_changed_file_are_other_entries(files: list[SoundFile], tmp_path: Path) -> None:
    cache, log = tmp_path / "c.sqlite", tmp_path / "log"
    path = write_sound(tmp_path / "a.wav", hit(1, 0.1))
    sound = [SoundFile(path=path)]
    (first,) = run(sound, FakeChoice(log=log), cache)
    run(sound, FakeChoice(log=log, sha256="cd" * 32), cache)
    assert count_answers(log) == 2
    write_sound(path, hit(2, 0.1))
    (changed,) = run(sound, FakeChoice(log=log), cache)
    assert count_answers(log) == 3 and changed.sha256 != first.sha256


def test_a_classifier_without_a_checksum_stores_nothing(files: list[SoundFile], tmp_path: Path) -> None:
    run(files[:3], FakeChoice(sha256=""), tmp_path / "c.sqlite")
    assert not (tmp_path / "c.sqlite").exists()


def test_a_stopped_command_resumes(files: list[SoundFile], expected: list[ClassifiedFile], tmp_path: Path) -> None:
    choice, cache = FakeChoice(log=tmp_path / "log"), tmp_path / "c.sqlite"
    with closing(open_cache(cache)) as opened, pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(classify_files(files, choice, cache=opened)):
            if number == 20:
                raise KeyboardInterrupt
    before = count_answers(tmp_path / "log")
    assert 18 <= before <= 32
    assert_equal(run(files, choice, cache), expected)
    # The rest of the batch in work was lost with the command; all others are known.
    assert count_answers(tmp_path / "log") <= 63 + 16


@pytest.mark.parametrize("damage", ["file", "answers", "flipped", "other"])
def test_a_damaged_cache_is_made_again_with_a_warning(
    damage: str,
    files: list[SoundFile],
    expected: list[ClassifiedFile],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = tmp_path / "c.sqlite"
    run(files, cache=cache)
    if damage == "file":
        cache.write_bytes(b"no database" * 999)
    else:
        content = {"answers": b"{", "other": sqlite3.Binary(b"x\x9c\x03\x00\x00\x00\x00\x01")}
        with closing(sqlite3.connect(cache)) as database:
            if damage == "flipped":
                rows = database.execute("SELECT sha256, answer FROM answers").fetchall()
                for digest, answer in rows:
                    changed = answer[:40] + bytes([answer[40] ^ 255]) + answer[41:]
                    database.execute("UPDATE answers SET answer=? WHERE sha256=?", (changed, digest))
            else:
                database.execute("UPDATE answers SET answer=?", (content[damage],))
            database.commit()
    assert_equal(run(files, cache=cache), expected)
    assert "damaged" in caplog.text
    caplog.clear()
    choice = FakeChoice(log=tmp_path / "log")
    assert_equal(run(files, choice, cache), expected)
    assert not count_answers(tmp_path / "log") and "damaged" not in caplog.text


def test_a_cache_that_cannot_be_written_changes_no_answer(
    files: list[SoundFile], expected: list[ClassifiedFile], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("mine")
    assert_equal(run(files, cache=tmp_path / "file" / "c.sqlite"), expected)
    assert "continues without the cache" in caplog.text


def test_an_answer_that_vanishes_meanwhile_is_computed(files: list[SoundFile], tmp_path: Path) -> None:
    run(files[1:5], cache=tmp_path / "c.sqlite")
    with closing(open_cache(tmp_path / "c.sqlite")) as opened:
        results = classify_files(files[1:5], CHOICE, cache=opened)
        first = next(results)
        with closing(sqlite3.connect(tmp_path / "c.sqlite")) as other:
            other.execute("DELETE FROM answers")
            other.commit()
        assert_equal([first, *results], run(files[1:5]))


@pytest.mark.slow
def test_a_file_that_crashes_its_worker_is_a_row(files: list[SoundFile], tmp_path: Path) -> None:
    faint = write_sound(tmp_path / "faint.wav", 0.01 * hit(99, 0.1), subtype="FLOAT")
    results = run([*files, SoundFile(path=faint)], FakeChoice(crash_below=0.1), workers=2)
    assert [result.reason for result in results if not result.sha256][-1] == CRASHED
    assert sum(result.classification is not None for result in results) == 63


def test_progress_counts_every_file(files: list[SoundFile], tmp_path: Path) -> None:
    run(files[:10], cache=tmp_path / "c.sqlite")
    counts: list[tuple[int, int]] = []
    with closing(open_cache(tmp_path / "c.sqlite")) as opened:
        list(classify_files(files[:20], CHOICE, cache=opened, progress=lambda *each: counts.append(each)))
    assert counts == [(number, 20) for number in range(1, 21)]


@given(
    seconds=st.floats(0, 30),
    seed=st.integers(0, 99),
    is_certain=st.booleans(),
)
@settings(max_examples=15)
def test_an_answer_survives_the_cache(
    seconds: float, seed: int, is_certain: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (classification,) = FakeClassifier(0.0 if is_certain else 1.1).classify([hit(seed, 0.1)[0]])
    answer = StoredAnswer(sha256="12" * 32, seconds=seconds, classification=classification)
    file = SoundFile(path=Path("nowhere.wav"), sha256="12" * 32)
    with closing(open_cache(tmp_path_factory.mktemp("cache") / "c.sqlite")) as cache:
        assert cache.load(file) is None
        cache.store(file, None, answer)
        loaded = cache.load(file)
    assert loaded is not None and loaded.classification.is_certain == is_certain
    assert (loaded.seconds, loaded.classification.guesses) == (seconds, classification.guesses)
    assert np.array_equal(loaded.classification.embedding, classification.embedding)
