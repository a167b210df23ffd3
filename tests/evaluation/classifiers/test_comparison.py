"""A comparison from sounds to its page: complete, resumable, honest about what is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rmod_pipeline.cli import app
from rmod_pipeline.errors import BuildError, LibraryError, ModelError, UsageError
from rmod_pipeline.evaluation.classifiers.compare import (
    ClassifierComparison,
    SharedInputs,
    choose_systems,
    compare_systems,
    open_inputs,
)
from rmod_pipeline.evaluation.classifiers.folds import Fold, make_folds
from rmod_pipeline.evaluation.classifiers.results import ComparisonResults
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds
from rmod_pipeline.evaluation.classifiers.systems import SYSTEMS
from rmod_pipeline.evaluation.classifiers.systems.base import LeakError, TestGuard
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pages.classifiers import JSON, MARKDOWN, PAGE, write_comparison
from rmod_pipeline.training.classifier.material import prepare_sound_material
from tests.evaluation.classifiers.comparison_examples import KINDS, make_comparison, pick_kits, write_library

CHEAP = ("majority", "features-forest")
SHOWN = (*CHEAP, "embedding-perceptron", "embedding-neural-forest", "network", "network-1s")
OUTSIDE = re.compile(r"""https?://|(?<![a-z])url\(\s*["']?(?!data:)|@import|(?:src|href)="(?!data:|#)""")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Make forests of few trees and heads of few epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rmod_pipeline.evaluation.classifiers.systems.vectors.TREES", 15)
        patch.setattr("rmod_pipeline.evaluation.classifiers.heads.EPOCHS", 2)
        yield


@pytest.fixture(scope="module")
def library() -> Library:
    return pick_kits(load_library("builtin"), 6, KINDS, 1)


@dataclass(frozen=True)
class Finished:
    comparison: ClassifierComparison
    results: ComparisonResults
    compared: ComparedSounds
    out: Path


@pytest.fixture(scope="module")
def finished(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished comparison; a test that changes its folder makes it whole again."""
    comparison = make_comparison(library, tmp_path_factory.mktemp("comparison") / "out", SHOWN)
    results, compared = compare_systems(comparison)
    write_comparison(results, compared, comparison.out)
    return Finished(comparison, results, compared, comparison.out)


def read_pages(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in (MARKDOWN, JSON, PAGE)]


def test_every_system_answers_every_sound_once(finished: Finished) -> None:
    keys = sorted(sound.key for sound in finished.compared.sounds)
    assert len(keys) == 18
    for name in SHOWN:
        files = sorted((finished.out / "answers" / name).glob("fold-*.csv"))
        rows = [line.split(",") for file in files for line in file.read_text().splitlines()[1:]]
        assert sorted(row[0] for row in rows) == keys
        assert finished.results.answers[name].sum(1) == pytest.approx(1, abs=1e-4)
    assert [table.labels.name for table in finished.results.tables] == ["all", "seven", "three"]
    for table in finished.results.tables:
        assert [row.system for row in table.rows] == list(SHOWN)
        assert all(row.scores.confusion.sum() == 18 for row in table.rows)


def test_the_majority_is_right_for_a_third_of_three_equal_classes(finished: Finished) -> None:
    scores = finished.results.tables[0].rows[0].scores
    assert scores.balanced_accuracy.mean == pytest.approx(1 / 3)
    assert scores.accuracy.mean == pytest.approx(1 / 3)


def test_a_comparison_that_was_stopped_goes_on_and_gives_the_same_tables(finished: Finished) -> None:
    before = read_pages(finished.out)
    network, forest = finished.out / "answers/network/fold-2.csv", finished.out / "answers/features-forest/fold-1.csv"
    content = network.read_bytes()
    network.unlink()
    forest.write_text("key,truth\nhalf a file")
    (finished.out / "vectors").joinpath("left.npz").write_bytes(b"a stray file does no harm")
    results, compared = compare_systems(finished.comparison)
    write_comparison(results, compared, finished.out)
    assert network.read_bytes() == content
    assert read_pages(finished.out) == before


def test_answers_that_are_there_are_not_made_again(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing is to be answered")

    monkeypatch.setattr("rmod_pipeline.evaluation.classifiers.compare.answer_fold", refuse)
    some = replace(finished.comparison, systems=CHEAP)
    assert list(compare_systems(some)[0].answers) == list(CHEAP)


def test_another_comparison_is_refused_with_the_difference(finished: Finished, library: Library) -> None:
    before = read_pages(finished.out)
    with pytest.raises(BuildError, match=r"another comparison:\s+folds"):
        compare_systems(replace(finished.comparison, folds=3))
    with pytest.raises(BuildError, match="digest"):
        compare_systems(make_comparison(replace(library, assets=library.assets[:-1]), finished.out, CHEAP))
    assert read_pages(finished.out) == before


def test_the_page_needs_nothing_from_outside_and_plays_the_errors(finished: Finished) -> None:
    html = (finished.out / PAGE).read_text()
    assert not OUTSIDE.search(re.sub(r'="data:[^"]*"', "", html))
    assert html.count('<svg class="confusion"') == 3 * len(SHOWN)
    assert 'role="img"' in html and "prefers-color-scheme: dark" in html
    assert "92.4 %" in html and "other data" in html
    wrong = (finished.results.answers["network"].argmax(1) != finished.compared.truth).sum()
    assert wrong and html.count("<audio ") > 0
    figures = json.loads((finished.out / JSON).read_text())["tables"][0]["systems"]["network"]
    assert 0 <= figures["accuracy"]["mean"] <= 1
    assert f"{100 * figures['accuracy']['mean']:.1f}" in (finished.out / MARKDOWN).read_text()


def test_the_network_cannot_be_trained_on_test_sounds(finished: Finished, tmp_path: Path) -> None:
    compared, comparison = finished.compared, replace(finished.comparison, out=tmp_path)
    material = prepare_sound_material(compared.sounds, comparison.recipe, LogMel(), tmp_path / "material")
    fold = make_folds(compared.kinds, compared.families, 2, "library")[0]
    guard = TestGuard(fold.test)
    inputs = open_inputs(comparison, SharedInputs(compared=compared, yamnet=None, material=material), fold, guard)
    planted = Fold(number=0, train=(*fold.train, *fold.test), valid=fold.valid, test=fold.test)
    with pytest.raises(LeakError):
        inputs.require_network().fit(planted)


def test_an_unreadable_sound_is_left_out_and_named(library: Library, tmp_path: Path) -> None:
    lost = replace(library.assets[0], path="missing.wav", sha256="0" * 64)
    broken = replace(library, assets=(lost, *library.assets[1:]))
    results, compared = compare_systems(make_comparison(broken, tmp_path / "out", CHEAP))
    assert len(compared.sounds) == 17
    assert len(compared.unreadable) == 1 and "missing.wav" in compared.unreadable[0]
    assert any("1 sounds" in note for note in results.notes)
    again, _ = compare_systems(make_comparison(broken, tmp_path / "out", CHEAP))
    assert again.notes == results.notes


def test_a_class_with_few_kits_is_learned_and_not_scored(library: Library, tmp_path: Path) -> None:
    rare = {asset.id for asset in library.assets if asset.kind == "hihat"}
    kept = min(rare)
    assets = tuple(asset for asset in library.assets if asset.id not in rare or asset.id == kept)
    results, compared = compare_systems(make_comparison(replace(library, assets=assets), tmp_path / "out", CHEAP))
    assert any("Not scored" in note and "hihat (1)" in note for note in results.notes)
    (row,) = [row for row in results.tables[0].rows if row.system == "features-forest"]
    assert row.scores.confusion.sum() == 12 and len(compared.sounds) == 13
    assert results.tables[0].labels.labels[row.scores.recalls.index(None)] != "kick"
    assert np.isfinite(results.answers["features-forest"]).all()
    few = [asset for asset in library.assets if asset.kind == "kick" or asset.kit != library.assets[0].kit]
    with pytest.raises(LibraryError, match="fewer than two classes have 6 kits"):
        compare_systems(make_comparison(replace(library, assets=tuple(few)), tmp_path / "other", CHEAP, folds=6))


def test_one_kit_is_an_error(library: Library, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="1 kit, but 2 folds need 2"):
        compare_systems(make_comparison(pick_kits(library, 1, KINDS, 1), tmp_path / "out", CHEAP))


def test_files_of_somebody_else_stay(library: Library, tmp_path: Path) -> None:
    (tmp_path / MARKDOWN).write_text("my own table")
    with pytest.raises(UsageError, match=r"has table\.md, but no comparison\.json"):
        compare_systems(make_comparison(library, tmp_path, CHEAP))
    assert (tmp_path / MARKDOWN).read_text() == "my own table"
    assert [path.name for path in tmp_path.iterdir()] == [MARKDOWN]


@pytest.mark.parametrize(
    ("systems", "folds", "message"),
    [
        (["majorty"], 2, "did you mean 'majority'"),
        (["yamnet-forest"], 2, "needs the weights of YAMNet"),
        ([], 2, "names no system"),
        (["majority"], 1, "1 is too few"),
    ],
)
def test_options_that_cannot_be_used(
    library: Library, tmp_path: Path, systems: list[str], folds: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose_systems(make_comparison(library, tmp_path / "out", systems, folds))
    assert not (tmp_path / "out").exists()


def test_without_weights_the_systems_of_yamnet_are_left_out_with_a_sentence(library: Library, tmp_path: Path) -> None:
    names, notes = choose_systems(make_comparison(library, tmp_path / "out"))
    assert names == [name for name, kind in SYSTEMS.items() if not kind.needs_yamnet]
    assert notes == ["Left out, because no --yamnet is given: yamnet-logistic, yamnet-forest."]


@pytest.mark.parametrize("content", [None, b"not the published weights"])
def test_other_weights_of_yamnet_are_an_error_before_anything_is_written(tmp_path: Path, content: bytes | None) -> None:
    import rmod_pipeline as rmod

    weights = tmp_path / "yamnet.tflite"
    if content is not None:
        weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"other weights|no weights here"):
        rmod.compare_classifiers(["builtin"], out=tmp_path / "out", yamnet=weights, progress=False)
    assert not (tmp_path / "out").exists()


def test_the_command_prints_tables_and_ends_with_1_if_a_sound_is_lost(tmp_path: Path) -> None:
    manifest, out = write_library(tmp_path / "sounds"), tmp_path / "out"
    words = ["classify", "compare", str(manifest), "--out", str(out), "--folds", "3", "--workers", "1"]
    whole = CliRunner().invoke(app, [*words, "--systems", "majority"])
    assert whole.exit_code == 0, whole.output
    assert "majority" in whole.output and str(out / PAGE) in whole.output.replace("\n", "")
    (tmp_path / "sounds" / "sound-0001.wav").unlink()
    words[4] = str(tmp_path / "lost")
    lost = CliRunner().invoke(app, [*words, "--systems", "majority,features-forest"])
    assert lost.exit_code == 1, lost.output
    assert (tmp_path / "lost" / MARKDOWN).is_file()


def test_sounds_of_one_class_cannot_be_compared(tmp_path: Path) -> None:
    manifest = write_library(tmp_path / "sounds", kinds=("kick",))
    with pytest.raises(LibraryError, match="one class, kick"):
        compare_systems(make_comparison(load_library(manifest), tmp_path / "out", CHEAP))


def test_kinds_without_a_class_cannot_be_compared(tmp_path: Path) -> None:
    manifest = write_library(tmp_path / "sounds", kinds=("whatever",))
    with pytest.raises(LibraryError, match="no sound of a kind that the taxonomy has"):
        compare_systems(make_comparison(load_library(manifest), tmp_path / "out", CHEAP))
