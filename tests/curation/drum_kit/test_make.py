"""From a folder to a kit: planted drums get their pads, the same sounds give the same bytes, bad input is reported."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rmod_pipeline.curation.drum_kit.candidate_cache import CandidateCache
from rmod_pipeline.curation.drum_kit.make import KitConfig, SourceFolder, make_drum_kit
from rmod_pipeline.curation.drum_kit.pads import PADS, parse_pads
from rmod_pipeline.curation.drum_kit.results import DrumKit, SoundPlace
from rmod_pipeline.curation.drum_kit.write import write_kit
from rmod_pipeline.errors import LibraryError, ManifestError, UsageError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.library.scanning.labels import Labels
from tests.curation.drum_kit.kit_sounds import DRUMS, hide, kick, write_recordings
from tests.curation.drum_kit.shape_classifier import ShapeClassifier
from tests.library.library_sounds import RATE, write_sound

BEAT = KitConfig(pads=parse_pads("kick,snare,hihat/closed"), name="found")
OUT = Path("/nowhere")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder)
    return folder


def make(folder: Path, config: KitConfig = BEAT, out: Path = OUT, **options: object) -> DrumKit:
    return make_drum_kit(SourceFolder.open(folder, out), config, ShapeClassifier(), **options)  # type: ignore[arg-type]


def places_of(kit: DrumKit) -> list[SoundPlace]:
    return [sound.candidate.place for sound in kit.sounds]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_planted_drums_are_chosen_for_their_pads(tmp_path: Path) -> None:
    places = write_recordings(tmp_path)
    kit = make(tmp_path)
    found = {sound.pad.name: sound.candidate.place for sound in kit.sounds}
    assert {pad: place.source for pad, place in found.items()} == {pad: name for pad, (name, _) in places.items()}
    for pad, (_, at) in places.items():
        assert found[pad].start / RATE == pytest.approx(at, abs=0.004)
    assert kit.is_playable and not kit.missing
    assert kit.counts.files == 6 and kit.counts.used + len(kit.counts.unused) == 6


def test_the_same_sounds_give_the_same_bytes_in_any_order_and_with_any_number_of_workers(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(BEAT, pads=parse_pads("kick,snare,hihat,crash"), layers=2)
    write_kit(make(recordings, config), tmp_path / "first")
    again = tmp_path / "copied" / "elsewhere"
    shutil.copytree(recordings, again)
    for path in again.rglob("*.*"):
        os.utime(path, (1, 1))
    source = SourceFolder.open(again, OUT)
    backwards = replace(source, files=tuple(reversed(source.files)))
    monkeypatch.setattr("rmod_pipeline.library.process_pool._MIN_TASKS_FOR_POOL", 1)
    monkeypatch.setattr("rmod_pipeline.library.process_pool._BATCH_SIZE", 2)
    write_kit(make_drum_kit(backwards, config, ShapeClassifier(), workers=2), tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_a_seed_makes_another_kit_and_the_same_seed_the_same(tmp_path: Path) -> None:
    row = np.concatenate([hide(kick(0.2 + 0.01 * n), 0.1, 0.6, seed=n) for n in range(9)], axis=1)
    write_sound(tmp_path / "row.wav", row)
    config = KitConfig(pads=parse_pads("kick"), name="k")
    starts = {seed: make(tmp_path, replace(config, seed=seed)).sounds[0].candidate.place.start for seed in range(8)}
    assert len(set(starts.values())) > 1
    assert starts == {
        seed: make(tmp_path, replace(config, seed=seed)).sounds[0].candidate.place.start for seed in range(8)
    }


def test_no_two_pads_share_a_place(recordings: Path) -> None:
    kit = make(recordings, replace(BEAT, pads=parse_pads(""), layers=3))
    assert len(kit.sounds) > 3
    for first, second in combinations(kit.sounds, 2):
        assert not first.candidate.place.overlaps(second.candidate.place)


def test_the_folder_of_a_kit_is_a_library_of_24_bit_sounds(recordings: Path, tmp_path: Path) -> None:
    kit = make(recordings, replace(BEAT, pads=parse_pads("kick,snare,hihat,open_hihat"), licence="CC0-1.0"))
    files = write_kit(kit, tmp_path / "kit")
    library = load_library(files["library.csv"])
    assert set(library.kinds()) <= {"kick", "snare", "hihat", "open_hihat"} and len(library.assets) == len(kit.sounds)
    assert {asset.split for asset in library.assets} == {"train"} and {asset.licence for asset in library.assets} == {
        "CC0-1.0"
    }
    store = AudioStore(library)
    for asset in library.assets:
        assert store.read(asset.id).shape[1] > 0
        info = soundfile.info(str(library.path_of(asset)))
        assert (info.samplerate, info.subtype) == (44_100, "PCM_24")
        assert asset.frames == info.frames and asset.channels == info.channels


def test_layers_share_the_velocities(tmp_path: Path) -> None:
    row = np.concatenate([hide(kick(0.2 + 0.02 * n), 0.1, 0.6, seed=n) for n in range(6)], axis=1)
    write_sound(tmp_path / "row.wav", row)
    kit = make(tmp_path, KitConfig(pads=parse_pads("kick"), layers=3))
    ordered = sorted(kit.sounds, key=lambda sound: sound.low_velocity)
    assert [(sound.low_velocity, sound.high_velocity) for sound in ordered] == [(1, 42), (43, 84), (85, 127)]
    centres = [sound.candidate.centre_hz for sound in ordered]
    assert centres == sorted(centres), "the brighter, the harder"
    turns = make(tmp_path, KitConfig(pads=parse_pads("kick"), layers=3, round_robin=True))
    assert {(sound.low_velocity, sound.high_velocity) for sound in turns.sounds} == {(1, 127)}


def test_bad_files_are_reported_and_stop_nothing(recordings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(recordings, folder)
    (folder / "text.wav").write_text("no audio")
    (folder / "notes.txt").write_text("no audio")
    write_sound(folder / "five.wav", np.ones((1, 5), np.float32))
    write_sound(folder / "silent.wav", np.zeros((1, RATE), np.float32))
    kit = make(folder)
    assert [sound.candidate.place for sound in kit.sounds] == [
        sound.candidate.place for sound in make(recordings).sounds
    ]
    assert {"text.wav", "five.wav", "silent.wav"} <= {name for name, _ in kit.counts.unused}
    assert all(reason for _, reason in kit.counts.unused)


def test_one_sound_fills_one_pad_and_it_is_the_kick_if_it_is_one(tmp_path: Path) -> None:
    write_sound(tmp_path / "only.wav", kick())
    kit = make(tmp_path, replace(BEAT, pads=parse_pads("")))
    assert [sound.pad.name for sound in kit.sounds] == ["kick"]
    assert not kit.is_playable and len(kit.missing) == len(kit.pads) - 1
    assert make(tmp_path, replace(BEAT, pads=parse_pads("kick"))).is_playable, "nothing else was asked for"


def test_a_folder_without_sounds_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        make(tmp_path / "none")
    with pytest.raises(LibraryError, match="no audio files"):
        make(tmp_path)
    write_sound(tmp_path / "silent.wav", np.zeros((1, RATE), np.float32))
    with pytest.raises(LibraryError, match=r"no sound for any pad: silent\.wav: silent"):
        make(tmp_path)


@pytest.mark.parametrize("layers", [0, 9, -1])
def test_a_number_of_layers_out_of_range_is_refused(layers: int) -> None:
    with pytest.raises(UsageError, match="out of range"):
        replace(BEAT, layers=layers).check()


def test_the_kit_inside_the_folder_is_no_source_of_the_next(tmp_path: Path) -> None:
    write_recordings(tmp_path)
    out = tmp_path / "kit"
    write_kit(make(tmp_path, out=out), out)
    before = contents(out)
    kit = make(tmp_path, out=out)
    assert kit.counts.files == 6
    write_kit(kit, out)
    assert contents(out) == before


def test_the_folder_of_the_sounds_is_not_that_of_the_kit(tmp_path: Path) -> None:
    write_recordings(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path, tmp_path / "noise" / "..", tmp_path / "link"):
        with pytest.raises(UsageError, match="is the folder of the sounds"):
            SourceFolder.open(tmp_path, out)


def test_licences_come_from_labels_then_names_then_the_option(tmp_path: Path) -> None:
    places = write_recordings(tmp_path / "sounds")
    first = places["kick"][0]
    second = tmp_path / "sounds" / places["snare"][0]
    second.rename(second.with_name("snap CC0.wav"))
    rows = f"path,kind,kit,licence,source\nsounds/{first},,,CC-BY-4.0,Ann\n"
    (tmp_path / "labels.csv").write_text(rows)
    kit = make(tmp_path / "sounds", replace(BEAT, licence="MIT"), labels=Labels.read(tmp_path / "labels.csv"))
    assert {sound.pad.name: sound.licence for sound in kit.sounds} == {
        "kick": "CC-BY-4.0", "snare": "CC0-1.0", "hihat_closed": "MIT",
    }  # fmt: skip
    assert kit.sounds[0].credit == "Ann"
    (tmp_path / "labels.csv").write_text("path,kind,kit,licence,source\nelsewhere.wav,,,MIT,x\n")
    with pytest.raises(ManifestError, match="names no sound"):
        make(tmp_path / "sounds", labels=Labels.read(tmp_path / "labels.csv"))


def test_known_files_are_not_listened_to_again(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CandidateCache(tmp_path / "cache.sqlite", {"sha256": "0" * 64})
    first = make(recordings, cache=cache)
    monkeypatch.setattr("rmod_pipeline.curation.drum_kit.make.analyse_batch", lambda *_: pytest.fail("listened again"))
    second = make(recordings, cache=cache)
    assert places_of(first) == places_of(second)


def test_a_weak_sound_is_used_and_named(tmp_path: Path) -> None:
    write_sound(tmp_path / "only.wav", kick())
    kit = make(tmp_path, KitConfig(pads=parse_pads("cymbal/ride")))
    assert [sound.pad.name for sound in kit.weak] == ["ride"] and kit.sounds[0].is_weak
    assert not make(tmp_path, KitConfig(pads=parse_pads("kick"))).weak


def test_every_pad_can_be_made(tmp_path: Path) -> None:
    sounds = [hide(make_sound(), 0.1, 0.6, seed=n) for n, make_sound in enumerate([*DRUMS.values()] * 8)]
    write_sound(tmp_path / "row.wav", np.concatenate(sounds, axis=1))
    kit = make(tmp_path, KitConfig(pads=tuple(PADS.values())))
    assert len(kit.played) == len(PADS)
