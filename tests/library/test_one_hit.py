"""What is taken for a one-shot holds one hit: by its name and by its sound, and what is left out is reported."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio
from rmod_pipeline.library.hits import count_hits
from rmod_pipeline.library.read import read_sound
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.report import describe_unused, report_path, write_scan
from rmod_pipeline.library.scanning.scan import ScanConfig
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS
from tests.library.library_sounds import RATE, hit, make_kits, write_sound
from tests.library.scan_helpers import SHARES, drop_reasons, scan

ROLLS = ScanConfig(shares=SHARES, rolls=True)


def repeat(seeds: list[int], step_seconds: float, gains: list[float], channels: int = 1) -> Audio:
    """Return hits at equal distances, each one ringing on under the next."""
    step = round(step_seconds * RATE)
    audio = np.zeros((channels, step * len(seeds) + RATE // 2), np.float32)
    for index, (seed, gain) in enumerate(zip(seeds, gains, strict=True)):
        sound = hit(seed, 0.4, channels=channels)
        audio[:, index * step : index * step + sound.shape[1]] += gain * sound
    return audio


@given(st.integers(0, 10_000), st.floats(0.005, 1.0), st.sampled_from([8_000, 22_050, RATE, 96_000]), st.integers(1, 2))
def test_one_hit_is_one_hit(seed: int, gain: float, rate: int, channels: int) -> None:
    audio = (gain * hit(seed, 0.5, rate, channels) + 0.01).astype(np.float32)
    assert count_hits(audio, rate) == 1
    # The silence around the hit has the same offset: a step of the offset would be a click.
    assert count_hits(np.pad(audio, ((0, 0), (rate // 3, rate)), constant_values=0.01), rate) == 1


@given(
    st.lists(st.integers(0, 99), min_size=2, max_size=8),
    st.floats(0.15, 0.6),
    st.data(),
)
def test_hits_of_like_strength_are_counted(seeds: list[int], step_seconds: float, data: st.DataObject) -> None:
    gains = data.draw(st.lists(st.floats(0.5, 1.0), min_size=len(seeds), max_size=len(seeds)))
    assert count_hits(repeat(seeds, step_seconds, gains), RATE) >= 2


@given(st.integers(0, 99), st.floats(0.045, 0.08), st.integers(10, 24))
def test_a_roll_is_several_hits(seed: int, step_seconds: float, strokes: int) -> None:
    assert count_hits(repeat([seed] * strokes, step_seconds, [0.8] * strokes), RATE) >= 6


@pytest.mark.parametrize("audio", [np.zeros((1, 0)), np.zeros((2, 900)), np.full((1, 900), 0.5), np.ones((1, 1))])
def test_hits_of_silence(audio: Audio) -> None:
    assert count_hits(audio.astype(np.float32), RATE) == 1


LOOP_NAMES = [
    "Loops/Kick Loops/XX_kick_loop.wav", "Drum Loops/Hats/hat_128.wav", "Fills/Snare Fill 02.wav", "kick 120bpm.wav",
    "Kicks/Kick Groove 1.wav", "Snares/Snare Break 1.wav", "Techno Drum Loops/snare 7.wav", "Claps/clap pattern.wav",
    "Tom Fills/low.wav", "Kicks/kick chain 1.wav",
]  # fmt: skip
ROLL_NAMES = ["Snare Rolls/sn 01.wav", "Snares/Snare Flam 3.wav", "Snares/snare_drag.wav", "Toms/Tom Roll.wav"]
HIT_NAMES = [
    "Loops and One Shots/Kicks/kick 1.wav", "Loops/One Shots/Snares/1.wav", "Drums/Break Kick 1.wav",
    "LoopMasters/Kick 3.wav", "Rock n Roll Kit/snare.wav", "Kicks/Groovebox Kick.wav", "Beat Type Kit/Kick 1.wav",
    "Kicks/kick from loop one shot.wav", "GMKit__Loop Kit__kick/kick 4.wav",
]  # fmt: skip


def test_loops_by_name_are_dropped_and_reported(tmp_path: Path) -> None:
    for seed, name in enumerate([*LOOP_NAMES, *ROLL_NAMES, *HIT_NAMES]):
        write_sound(tmp_path / name, hit(seed))
    result = scan(tmp_path)
    write_scan(result, tmp_path / "m.csv", SHARES)
    reasons = drop_reasons(result)
    assert reasons.keys() == {*LOOP_NAMES, *ROLL_NAMES}
    assert all(reason.startswith("several hits: the name says ") for reason in reasons.values())
    assert "dropped 14: several hits" in list(describe_unused(result))
    with report_path(tmp_path / "m.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["finding"] == "dropped"]
    assert {row["path"]: row["detail"] for row in rows} == reasons


def test_rolls_are_kept_on_request(tmp_path: Path) -> None:
    for seed, name in enumerate([*LOOP_NAMES, *ROLL_NAMES]):
        write_sound(tmp_path / name, repeat([seed] * 12, 0.06, [0.8] * 12))
    result = scan(tmp_path, ROLLS)
    assert {row.path for row in result.assets} == set(ROLL_NAMES)
    assert drop_reasons(result).keys() == set(LOOP_NAMES)


def test_loops_by_sound_are_dropped_and_reported(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=2)
    write_sound(tmp_path / "Kicks" / "untitled.wav", repeat([1, 2, 1, 2], 0.25, [1, 0.7, 1, 0.7]))
    write_sound(tmp_path / "Bass" / "untitled.wav", repeat([1, 2, 1, 2], 0.25, [1, 0.7, 1, 0.7]))
    result = scan(tmp_path)
    assert drop_reasons(result) == {"Kicks/untitled.wav": "several hits: 4 of like strength in 1.5 s; cut them apart"}
    assert "Bass/untitled.wav" in {row.path for row in result.assets}


def test_a_label_outranks_the_name_and_not_the_sound(tmp_path: Path) -> None:
    """The remedy that the reason for a name gives keeps the file, if it does hold one hit."""
    make_kits(tmp_path, kits=2)
    write_sound(tmp_path / "kick loop a.wav", hit(71))
    write_sound(tmp_path / "kick loop b.wav", repeat([1, 2, 1], 0.25, [1, 1, 1]))
    (tmp_path / "labels.csv").write_text(
        "path,kind,kit,licence,source\nkick loop a.wav,kick,,,\nkick loop b.wav,kick,,,\n"
    )
    reasons = drop_reasons(scan(tmp_path))
    assert all("--labels" in reasons[f"kick loop {letter}.wav"] for letter in "ab")
    reasons = drop_reasons(scan(tmp_path, labels=Labels.read(tmp_path / "labels.csv")))
    assert reasons.keys() == {"kick loop b.wav"} and "3 of like strength" in reasons["kick loop b.wav"]


@pytest.mark.long
def test_real_one_shots_hold_one_hit() -> None:
    folder = os.environ.get("RMOD_REAL_LIBRARY")
    if not folder:
        pytest.skip("RMOD_REAL_LIBRARY names no folder of real recordings")
    lists = [path for path in Path(folder).glob("**/*.csv") if path.stem in ("library", "kits", "percussion")]
    rows = [row for path in sorted(lists) for row in csv.DictReader(path.open(encoding="utf-8"))]
    paths = [Path(folder) / row["path"] for row in rows if row["kind"] in ONE_SHOT_KINDS]
    several = [path.name for path in paths if count_hits(*read_sound(path)) > 1]
    assert len(several) < 0.01 * len(paths), several
