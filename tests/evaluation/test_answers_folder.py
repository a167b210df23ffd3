"""Laws of the answers of other programs: found under every name, and none stops the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.errors import AssetError, UsageError
from rmod_pipeline.evaluation.systems.answers_folder import open_answers
from rmod_pipeline.evaluation.systems.base import Mixture, System
from rmod_pipeline.reading.pairs import list_keys, read_original_keys
from tests.tiny_pairs import RATE, import_tiny, make_sounds, write_pairs, write_sound

ANSWER = make_sounds(4)["snare"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    import_tiny(write_pairs(folder / "pairs"), folder / "out")
    return folder / "out"


def mixture(key: str) -> Mixture:
    return Mixture(key=key, audio=np.zeros(100, np.float32), sample_rate=RATE, onsets={})


@pytest.mark.parametrize(
    "name",
    [
        "test-00000002.snare.wav",
        "snare/test-00000002.wav",
        "10.snare.wav",
        "snare/10.wav",
        "snare/predicted/10_mixed_snare_p.wav",
        "test/snare/10.wav",
    ],
)
def test_an_answer_is_found_by_the_key_or_by_the_original_key(name: str, out: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / name, ANSWER)
    system: System = open_answers(tmp_path, read_original_keys(out))
    answer = system.extract(mixture("test-00000002"), "snare")
    assert answer is not None
    assert answer.dtype == np.float32
    assert np.allclose(answer, ANSWER.mean(axis=1) / 32_768, atol=1e-6)
    assert system.extract(mixture("test-00000002"), "kick") is None
    assert system.extract(mixture("test-00000001"), "snare") is None


def test_unusual_answers_are_read_as_they_are(out: Path, tmp_path: Path) -> None:
    keys = list_keys(out)
    write_sound(tmp_path / f"{keys[0]}.kick.wav", np.zeros((500, 1), np.int16))
    write_sound(tmp_path / f"{keys[1]}.kick.wav", np.repeat(ANSWER, 2, axis=0), 2 * RATE)
    (tmp_path / f"{keys[2]}.kick.wav").write_text("no sound")
    write_sound(tmp_path / f"{keys[0]}.snare.wav", 4.0 * ANSWER / 32_768, subtype="FLOAT")
    answers = open_answers(tmp_path, read_original_keys(out))
    silent, resampled = (answers.extract(mixture(key), "kick") for key in keys[:2])
    assert silent is not None
    assert not silent.any(), "a silent answer is an answer"
    assert resampled is not None
    assert len(resampled) == len(ANSWER)
    with pytest.raises(AssetError, match=r"00000002\.kick\.wav: unreadable"):
        answers.extract(mixture(keys[2]), "kick")
    loud = answers.extract(mixture(keys[0]), "snare")
    assert loud is not None
    np.testing.assert_allclose(loud, 4.0 * ANSWER.mean(axis=1) / 32_768, atol=1e-6)
    assert answers.extract(mixture(keys[1]), "snare") is None


def test_a_folder_without_answers_is_refused(out: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "10.mix.wav", ANSWER)
    with pytest.raises(UsageError, match="no answers here"):
        open_answers(tmp_path, {})
    with pytest.raises(UsageError, match="no such folder"):
        open_answers(tmp_path / "none", {})


def test_a_data_set_that_was_built_has_no_original_keys(tiny_built: Path, tmp_path: Path) -> None:
    key = list_keys(tiny_built)[0]
    write_sound(tmp_path / f"{key}.kick.wav", ANSWER)
    answers = open_answers(tmp_path, read_original_keys(tiny_built))
    assert answers.original_keys == {}
    assert answers.extract(mixture(key), "kick") is not None
