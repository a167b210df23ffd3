"""An evaluation: chunks, resume, equal results of one and two workers, what is counted, and who copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.codec.spectral_distance import spectral_distance
from rmod_pipeline.errors import CodecError, RecipeError, ShardError, UsageError
from rmod_pipeline.evaluation import chunk
from rmod_pipeline.evaluation import run as run_module
from rmod_pipeline.evaluation.figures import copies as copies_module
from rmod_pipeline.evaluation.figures.results import DISTANCE, EvaluationResults
from rmod_pipeline.evaluation.recipe import TRUTH, EvaluationRecipe, OtherAnswers
from rmod_pipeline.evaluation.run import evaluate_recipe, open_set_works
from rmod_pipeline.evaluation.sets.pairs import CHUNK, read_item, split_into_chunks
from rmod_pipeline.evaluation.store import read_rows
from rmod_pipeline.evaluation.systems.base import RememberedSystem
from rmod_pipeline.evaluation.systems.open import open_systems
from rmod_pipeline.pages.evaluation import write_evaluation
from rmod_pipeline.shards.members import decode_audio

SYSTEMS: list[dict[str, Any]] = [
    {"system": "slice", "name": "cut", "separation": "none"},
    {"system": "chance"},
    {"system": "typical"},
    {"system": "another", "of": "chance"},
    {"system": "silence"},
]


def make_recipe(data: Path, systems: Sequence[dict[str, Any]] = SYSTEMS, **keys: Any) -> EvaluationRecipe:
    sets = [{"name": "tiny", "data": str(data), "split": "valid"}]
    content = {"kinds": ["kick", "snare"], "sets": sets, "systems": systems, "listen": 0, **keys}
    return EvaluationRecipe.model_validate(content)


def run(recipe: EvaluationRecipe, out: Path, workers: int = 1) -> EvaluationResults:
    return evaluate_recipe(recipe, open_set_works(recipe, out, "cpu"), workers=workers)


@given(st.integers(0, 200))
def test_chunks_are_all_keys_in_order_and_none_is_alone(count: int) -> None:
    keys = [str(number) for number in range(count)]
    chunks = split_into_chunks(keys)
    assert [key for some in chunks for key in some] == keys
    assert all(1 < len(some) <= CHUNK + 1 for some in chunks) or count < 2


def test_a_figure_is_the_mean_distance_of_the_answers(tiny_built: Path, tmp_path: Path) -> None:
    results = run(make_recipe(tiny_built), tmp_path)
    cell = results.cell("tiny", "silence", "kick")
    assert cell.keys == tuple(f"valid-{number:08d}" for number in range(2))
    expected = []
    for key in cell.keys:
        item = read_item(tiny_built, key)
        truth = chunk.Answer.of(item.truths["kick"], "kick", item.mixture.sample_rate).audio
        assert truth is not None
        sound = torch.from_numpy(truth)[None]
        expected.append(float(spectral_distance(torch.zeros_like(sound), sound)))
    np.testing.assert_allclose(cell.values[DISTANCE], expected, rtol=1e-5)
    assert cell.figures[DISTANCE].mean == pytest.approx(np.mean(expected))
    assert results.systems("tiny") == ["cut", "chance", "typical", "another's chance", "silence"]
    assert {row["key"] for row in results.truths["tiny", "kick"]} == set(cell.keys)
    assert all(row["kit"] for row in results.truths["tiny", "kick"])


def test_each_step_is_reported_up_to_its_end(tiny_built: Path, tmp_path: Path) -> None:
    recipe = make_recipe(tiny_built, listen=1)
    works = open_set_works(recipe, tmp_path, "cpu")
    reported: dict[str, list[tuple[int, int]]] = {}

    def on_step(step: str, done: int, total: int) -> None:
        reported.setdefault(step, []).append((done, total))

    write_evaluation(evaluate_recipe(recipe, works, on_step=on_step), works, tmp_path, on_step)
    assert list(reported) == ["mixtures", "tables", "pages to listen to"]
    for counts in reported.values():
        assert counts == sorted(counts)
        assert len({total for _, total in counts}) == 1
        assert counts[-1][0] == counts[-1][1]


@pytest.mark.long
def test_workers_and_resumes_do_not_change_results(tiny_built: Path, tmp_path: Path) -> None:
    sets = [{"name": split, "data": str(tiny_built), "split": split} for split in ("valid", "train")]
    recipe = make_recipe(tiny_built, sets=sets)
    first = run(recipe, tmp_path / "one")
    assert run(recipe, tmp_path / "two", workers=2).to_dict() == first.to_dict()
    done = sorted((tmp_path / "one").rglob("*.parquet"))
    times = {path: path.stat().st_mtime_ns for path in done}
    done[0].unlink()
    (tmp_path / "one/work/train/silence/0000.parquet").write_bytes(b"cut")
    assert run(recipe, tmp_path / "one").to_dict() == first.to_dict()
    made = {path for path in done if path.stat().st_mtime_ns != times[path]}
    assert made == {done[0], tmp_path / "one/work/train/silence/0000.parquet"}, "the others are kept"


def test_what_was_opened_to_be_checked_is_not_opened_again(
    tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def count(*arguments: Any) -> Any:
        opened.append(arguments[1].choice.name)
        return open_systems(*arguments)

    for module in (run_module, chunk):
        monkeypatch.setattr(module, "open_systems", count)
    recipe = make_recipe(tiny_built)
    works = open_set_works(recipe, tmp_path / "one", "cpu")
    first = evaluate_recipe(recipe, works).to_dict()
    assert opened == ["tiny"]
    chunk.forget_opened()
    again = open_set_works(recipe, tmp_path / "two", "cpu")
    chunk.forget_opened()
    assert evaluate_recipe(recipe, again).to_dict() == first, "as in a worker, which opens its own"
    assert opened == ["tiny"] * 3


def test_answers_are_kept_when_something_else_is_measured(
    tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(make_recipe(tiny_built), tmp_path)

    def refuse(*_: Any) -> Any:
        raise AssertionError("an answer was made again")

    monkeypatch.setattr(RememberedSystem, "extract_all", refuse)
    embeddings = [{"name": "ear"}, {"name": "codec-latents"}]
    second = run(make_recipe(tiny_built, embeddings=embeddings), tmp_path)
    own, more = (results.cell("tiny", "chance", "kick") for results in (first, second))
    assert own.sha256 == more.sha256
    assert set(more.distributions) - set(own.distributions) == {"FAD-codec-latents", "KAD-codec-latents"}
    with pytest.raises(AssertionError, match="made again"):
        run(make_recipe(tiny_built, seed=1), tmp_path)


def test_stored_answers_are_what_was_measured(tiny_built: Path, tmp_path: Path) -> None:
    results = run(make_recipe(tiny_built), tmp_path)
    for row in read_rows(tmp_path / f"work/tiny/{TRUTH}/0000.parquet"):
        audio = from_pcm(decode_audio(row["flac"], row["key"])[0])[0]
        item = read_item(tiny_built, row["key"])
        expected = chunk.Answer.of(item.truths[row["kind"]], row["kind"], item.mixture.sample_rate).audio
        np.testing.assert_array_equal(audio, expected)
    rows = list(results.items())
    assert len(rows) == 2 * 2 * len(SYSTEMS)
    assert all(len(row["sha256"]) == 64 and row[DISTANCE] >= 0 for row in rows)


def write_answers(data: Path, folder: Path, shift: int) -> None:
    """Write the true one-shots of the valid split as answers, shifted by some samples."""
    folder.mkdir()
    for number in range(2):
        item = read_item(data, f"valid-{number:08d}")
        for kind, truth in item.truths.items():
            shifted = np.pad(truth * 0.7, (shift, 0))
            soundfile.write(folder / f"{item.mixture.key}.{kind}.wav", shifted, item.mixture.sample_rate)


def test_a_cheat_that_copies_the_truth_is_told_from_chance(
    tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny sounds are all alike, so a training sound is nearer to the truth than real ones are.
    monkeypatch.setattr(copies_module, "COPY_SHARE", 0.5)
    write_answers(tiny_built, tmp_path / "cheat", shift=110)
    systems = [*SYSTEMS, {"system": "answers", "name": "cheat", "folder": str(tmp_path / "cheat")}]
    results = run(make_recipe(tiny_built, systems), tmp_path / "out")
    copies = {(audit.system, audit.kind): audit.copies for audit in results.audits}
    for kind in ("kick", "snare"):
        assert copies["cheat", kind] == 1
        assert copies["chance", kind] == copies["typical", kind] == 0
    distances = {system: results.cell("tiny", system, "kick").figures[DISTANCE].mean for system in ("cheat", "chance")}
    assert distances["cheat"] > 0, "a shift of 5 ms hides the copy from the distance"


def test_answers_that_are_missing_or_broken_are_counted(tiny_built: Path, tmp_path: Path) -> None:
    write_answers(tiny_built, tmp_path / "answers", shift=0)
    (tmp_path / "answers/valid-00000000.kick.wav").unlink()
    (tmp_path / "answers/valid-00000001.kick.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "answers/valid-00000000.snare.wav", np.full(200, np.nan), 22_050, subtype="FLOAT")
    choice = {"system": "answers", "name": "theirs", "folder": str(tmp_path / "answers")}
    results = run(make_recipe(tiny_built, [choice]), tmp_path / "out")
    kick, snare = (results.cell("tiny", "theirs", kind) for kind in ("kick", "snare"))
    assert sum(kick.missing.values()) == 2
    assert not kick.keys
    assert not kick.figures
    assert len(snare.keys) == sum(snare.missing.values()) == 1
    assert not results.has("tiny", "theirs", "kick")


def test_systems_that_do_not_fit_are_refused_before_any_work(tiny_built: Path, tmp_path: Path) -> None:
    for systems, error, match in (
        ([{"system": "codec"}], CodecError, "22050 Hz"),
        ([{"system": "ear"}], UsageError, "has 22050 Hz, but a system hears with an ear for 44100 Hz"),
        ([{"system": "slice", "name": "s", "separation": "stems"}], UsageError, "has no stems"),
        ([{"system": "answers", "name": "a", "folder": str(tmp_path / "none")}], UsageError, "none"),
    ):
        with pytest.raises(error, match=match):
            open_set_works(make_recipe(tiny_built, systems), tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ShardError, match="choose"):
        open_set_works(
            EvaluationRecipe.model_validate(
                {
                    "sets": [{"name": "a", "data": str(tiny_built), "split": "none"}],
                    "systems": [{"system": "silence"}],
                }
            ),
            tmp_path / "out",
        )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"systems": [{"system": "silence"}, {"system": "silence"}]}, "two systems are called silence"),
        (
            {"systems": [{"system": "another", "of": "chance"}, {"system": "chance"}]},
            "names no system that stands before",
        ),
        ({"compare_with": "DOSE"}, "names no system: there are cut"),
        ({"kinds": ["kick", "kick"]}, "listed twice"),
        ({"systems": [{"system": "magic"}]}, "magic"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(change: dict[str, Any], match: str, tiny_built: Path) -> None:
    content = make_recipe(tiny_built).model_dump(mode="json") | change
    with pytest.raises(ValueError, match=match):
        EvaluationRecipe.model_validate(content)


def test_a_folder_of_songs_is_explained_without_truth(tmp_path: Path) -> None:
    from tests.tiny_dose import RATE, make_song

    songs = tmp_path / "songs"
    songs.mkdir()
    hits = {"kick": (0.5, 2.5, 4.0), "snare": (1.5, 3.5), "hihat": (0.5, 1.0, 1.5, 2.0, 3.0)}
    soundfile.write(songs / "song.wav", make_song(6.0, hits), RATE)
    soundfile.write(songs / "short.wav", np.zeros(RATE), RATE)
    (songs / "broken.mp3").write_bytes(b"no sound")
    systems = [
        {"system": "slice", "name": "found", "onsets": "found"},
        {"system": "slice", "name": "known"},
        {"system": "silence"},
    ]
    sets = [{"name": "songs", "songs": str(songs), "windows": 1}]
    recipe = EvaluationRecipe.model_validate({"sets": sets, "systems": systems, "listen": 0})
    results = run(recipe, tmp_path / "out")
    assert results.systems("songs") == ["found", "silence"], "nobody knows the hits"
    explained = {
        system: results.cell("songs", system, "all").figures["explained"].mean for system in ("found", "silence")
    }
    assert explained["found"] > 0.3
    assert explained["silence"] == 0
    assert {each["file"] for each in results.sets["songs"]["excluded"]} == {"short.wav", "broken.mp3"}
    with pytest.raises(RecipeError, match="no system can be evaluated on songs"):
        open_set_works(recipe.model_copy(update={"systems": recipe.systems[1:2]}), tmp_path / "out")


def test_the_identity_of_answers_covers_the_folder(tiny_built: Path, tmp_path: Path) -> None:
    write_answers(tiny_built, tmp_path / "theirs", shift=0)
    choice = {"system": "answers", "name": "theirs", "folder": str(tmp_path / "theirs")}
    recipe = make_recipe(tiny_built, [choice])
    (before,) = open_set_works(recipe, tmp_path / "out")
    soundfile.write(tmp_path / "theirs/valid-00000000.kick.wav", np.zeros(100), 22_050)
    (after,) = open_set_works(recipe, tmp_path / "out")
    assert before.origins["theirs"] != after.origins["theirs"]
    assert before.origins[TRUTH] == after.origins[TRUTH]
    assert isinstance(recipe.systems[0], OtherAnswers)
    assert replace(before, digest=after.digest) == after, "equal digests are equal work"
