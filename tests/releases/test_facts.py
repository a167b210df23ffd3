"""The facts of a release are those of its pairs, counted here one by one."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from rmod_pipeline.errors import ShardError
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.releases.card import plots
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.folder.data import ReleaseData, _list_members
from rmod_pipeline.releases.folder.rebuild import _read_recipe
from rmod_pipeline.releases.measuring import measure_facts
from rmod_pipeline.releases.measuring.index_statistics import RunningHistogram
from rmod_pipeline.releases.measuring.spectra import band_centres, measure_bands
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import read_receipt
from rmod_pipeline.shards.tar import TarWriter


def test_the_facts_are_those_of_the_pairs(tiny_tokens: Path, tiny_facts: ReleaseFacts) -> None:
    pairs = list(DataSet(tiny_tokens).pairs())
    assert {split.name: split.pairs for split in tiny_facts.splits} == Counter(pair.split for pair in pairs)
    assert tiny_facts.hours == pytest.approx(len(pairs) * 1.0 / 3600)
    for kind in tiny_facts.drums:
        hits = Counter(len(drum.notes) for pair in pairs for drum in pair.spec.drums if drum.kind == kind)
        assert tiny_facts.hits[kind] == hits
    loops = Counter(loop.kind for pair in pairs for loop in pair.spec.loops)
    assert {kind: tiny_facts.instruments[kind] for kind in tiny_facts.loops} == {"bass": loops["bass"]}
    levels = [pair.levels["mix"]["lufs"] for pair in pairs]
    assert tiny_facts.levels["lufs"].count == len(pairs)
    assert tiny_facts.levels["lufs"].mean == pytest.approx(np.mean(levels))
    uses = Counter(source["sha256"] for pair in pairs for source in pair.sources)
    assert {sound.sha256: sound.uses for sound in tiny_facts.sounds} == uses
    lengths = [pair.one_shots["kick"].shape[1] / pair.sample_rate for pair in pairs]
    assert tiny_facts.durations["kick"].maximum == pytest.approx(max(lengths), abs=1e-4)


def test_the_sizes_are_those_of_the_files(tiny_tokens: Path, tiny_facts: ReleaseFacts) -> None:
    for family in tiny_facts.families:
        paths = [path for paths in family.files.values() for path in paths]
        assert family.bytes == sum((tiny_tokens / path).stat().st_size for path in paths)
        assert sorted(paths) == sorted(
            str(path.relative_to(tiny_tokens)) for path in (tiny_tokens / family.name).glob("*.tar")
        )


def test_a_cut_counts_the_chosen_pairs_alone(tiny_tokens: Path) -> None:
    keys = DataSet(tiny_tokens).keys("train")[:3]
    facts = measure_facts(tiny_tokens, pairs=set(keys), sizes={"audio/train-000000.tar": 77})
    assert facts.pairs == 3
    assert facts.bytes == 77
    assert facts.spectrum_pairs == 3


def test_an_unfinished_data_set_has_no_facts(tiny_tokens: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(tiny_tokens, out)
    (out / "receipts" / "audio" / "train-000000.json").unlink()
    with pytest.raises(ShardError, match="3 of 4 shards of train"):
        measure_facts(out)


@given(st.lists(st.floats(-100, 100), min_size=1), st.sampled_from([0.05, 0.5, 1.0]))
def test_every_value_is_in_its_bin(values: list[float], width: float) -> None:
    running = RunningHistogram(width)
    running.add(np.array([*values, np.nan, np.inf]))
    histogram = running.freeze()
    assert histogram.count == len(values)
    for number, count in histogram.counts.items():
        low, high = number * width, (number + 1) * width
        assert count == sum(low + 1e-7 < value <= high + 1e-7 for value in values) or any(
            abs(value - edge) < 1e-6 for value in values for edge in (low, high)
        )


@pytest.mark.parametrize("hz", [60, 440, 5000])
def test_a_tone_is_in_the_band_around_it(hz: int) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(44100) / 44100).astype(np.float32)
    bands = measure_bands(tone, 44100)
    centre = band_centres(44100)[int(bands.argmax())]
    assert bands.max() > 0.95
    assert abs(np.log2(centre / hz)) <= 1 / 6 + 1e-9
    assert not measure_bands(np.zeros(100, np.float32), 44100).any()


def test_damage_is_named_before_anything_is_measured(tiny_built: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(tiny_built, tmp_path / "out"))
    layout, build = Layout(out), (out / "build.json").read_bytes()
    (out / "build.json").write_text(json.dumps({**json.loads(build), "recipe": {"name": "x"}}))
    for read in (measure_facts, lambda out: _read_recipe(out, read_fingerprint(layout.build))):
        with pytest.raises(ShardError, match=r"not a build\.json"):
            read(out)
    (out / "build.json").write_bytes(build)
    layout.index("train-000001").write_bytes(b"damaged")
    with pytest.raises(ShardError, match="not an index"):
        measure_facts(out)


def test_a_tar_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"damaged" * 100)
    with pytest.raises(ShardError, match="not a whole tar"):
        _list_members(tmp_path / "a.tar")


def test_only_files_of_the_receipt_and_plain_names_are_released(tiny_built: Path) -> None:
    data: Any = SimpleNamespace()
    receipt = read_receipt(Layout(tiny_built).receipt("train-000001"))
    shard: Any = SimpleNamespace(receipt=receipt, kept={"train-00000003"})
    assert ReleaseData._recorded(data, shard, receipt.files[0].path) == receipt.files[0].bytes
    with pytest.raises(ShardError, match="is not in the receipt of train-000001"):
        ReleaseData._recorded(data, shard, "audio/other.tar")


@pytest.mark.parametrize("suffix", ["a/b.wav", "a\\b.wav"])
def test_a_member_whose_name_is_a_path_is_refused(suffix: str, tmp_path: Path) -> None:
    with TarWriter(tmp_path / "a.tar") as writer:
        writer.add("train-00000003", {suffix: b"x"})
    shard: Any = SimpleNamespace(kept={"train-00000003"})
    with pytest.raises(ShardError, match="is not a name"):
        list(ReleaseData._members(SimpleNamespace(), tmp_path / "a.tar", shard))  # type: ignore[arg-type]


def test_many_kits_are_drawn_as_a_histogram(tiny_facts: ReleaseFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for kits in (3, 200):
        counts = {f"kit {number}": {"kick": number % 7} for number in range(kits)}
        monkeypatch.setattr(plots, "_one_shots_per_kit", lambda _, counts=counts: counts)
        figure = Figure()
        plots._draw_kits(figure, tiny_facts)
        drawn.append((figure.axes[0].get_xlabel(), len(figure.axes[0].patches) <= 30))
    assert drawn[1] == ("Different one-shots of a kit", True)
    assert drawn[0][0] == "Different one-shots"
