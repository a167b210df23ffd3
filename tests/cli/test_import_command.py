"""Every command reads an imported data set, or says in one sentence why it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.errors import ModelError
from tests.tiny_codec import save_tiny
from tests.tiny_pairs import RATE, SECONDS, import_tiny, write_pairs

Rmod = Callable[..., Any]


def write_onsets(root: Path, keys: tuple[str, ...]) -> None:
    for key in keys:
        (root / f"{key}.csv").write_text("kind,seconds\nkick,0\nkick,0.25\nsnare,0.125375\n", encoding="utf-8")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "pairs"
    for split, keys in (("train", ("1", "2")), ("test", ("3", "4"))):
        write_pairs(root / split, keys=keys)
    write_onsets(root / "train", ("1", "2"))
    import_tiny(root, tmp_path / "out", licence="CC0-1.0")
    return tmp_path / "out"


def test_the_command_imports_and_says_what_comes_next(tmp_path: Path, rmod: Rmod) -> None:
    root = write_pairs(tmp_path / "pairs")
    (root / "2.snare.wav").unlink()
    arguments = ["import-pairs", root, "--out", tmp_path / "out", "--sample-rate", RATE, "--seconds", SECONDS]
    done = rmod(*arguments)
    assert done.code == 0, done
    assert "2 test" in done.out
    assert "Left out: no snare 1." in done.out
    assert f"rmod verify {tmp_path / 'out'}" in done.out
    assert "everything exists already" in rmod(*arguments).out


def test_commands_that_look_at_a_data_set_read_an_import(out: Path, tmp_path: Path, rmod: Rmod) -> None:
    assert rmod("verify", out).code == 0
    assert "everything" in rmod("verify", out).out
    shown = rmod("show", out)
    assert "imported from 14 files" in shown.out
    pair = rmod("show", out, "train-00000001").out
    assert "imported, called train/2 in its folder" in pair
    assert "2 hits at 0.00, 0.25 s" in " ".join(pair.replace("│", " ").split())
    assert "hits unknown" in " ".join(rmod("show", out, "test-00000000").out.replace("│", " ").split())
    assert '"original_key":"test/3"' in rmod("show", out, "test-00000000", "--json").out
    assert rmod("status", out).code == 0
    page = tmp_path / "page.html"
    assert rmod("preview", out, "--split", "test", "--page", page, "--no-open").code == 0
    assert "test/3" in page.read_text(encoding="utf-8")


def test_a_report_compares_no_draws_of_an_import(out: Path, tmp_path: Path, rmod: Rmod) -> None:
    said = rmod("report", out, "--page", tmp_path / "report.html")
    assert said.code in (0, 1), said
    assert "0 draws compared" in said.out
    assert "the pairs were imported" in said.out


def test_tokens_and_features_are_made_of_an_import(out: Path, tmp_path: Path, rmod: Rmod) -> None:
    assert (
        rmod("encode", out, "--codec", save_tiny(tmp_path / "codec.pth", sample_rate=RATE), "--device", "cpu").code == 0
    )
    assert rmod("features", out).code == 0
    said = rmod("verify", out)
    assert said.code == 0, said
    assert "4 pairs as tokens" in said.out
    assert "4 pairs as features" in said.out


def test_an_ear_is_not_trained_on_unknown_hits(out: Path, rmod: Rmod) -> None:
    from rmod_pipeline.training.ear.data import count_most_hits

    with pytest.raises(ModelError, match="the hits of kick are unknown in 2 of 4 imported pairs"):
        count_most_hits(out, "kick")
    write_onsets(out.parent / "pairs" / "test", ("3", "4"))
    import_tiny(out.parent / "pairs", out.parent / "known")
    assert count_most_hits(out.parent / "known", "kick") == 2


@pytest.mark.long
def test_an_import_is_released(out: Path, tmp_path: Path, rmod: Rmod) -> None:
    done = rmod("release", out, "--to", tmp_path / "release")
    assert done.code == 0, done
    assert rmod("release", "verify", tmp_path / "release").code == 0
    rebuild = (tmp_path / "release" / "REBUILD.md").read_text(encoding="utf-8")
    assert "rmod import-pairs DIR --out OUT --table TABLE.csv --kinds kick,snare" in rebuild
    assert "rmod drew and rendered nothing" in (tmp_path / "release" / "README.md").read_text(encoding="utf-8")
