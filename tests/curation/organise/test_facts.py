"""Facts of real sounds: kinds by name, manifest and ear, copies, loops, brightness and length, reasons."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio
from rmod_pipeline.classification.results import Classification
from rmod_pipeline.curation.organise.brightness import (
    BRIGHTNESS_LIMITS_HZ,
    BRIGHTNESS_WORDS,
    LENGTH_WORDS,
    describe_brightness,
    describe_length,
    measure_centroid,
)
from rmod_pipeline.curation.organise.facts import FactOptions, gather_facts
from rmod_pipeline.curation.organise.kinds import MANIFEST, NAME, KindAnswer, answer_by_name, combine_answers
from rmod_pipeline.curation.organise.records import SourceFacts, SourceSound
from rmod_pipeline.curation.organise.sources import open_source
from rmod_pipeline.errors import ManifestError, UsageError
from rmod_pipeline.library.audio_fingerprint import compute_fingerprint, make_excerpt
from rmod_pipeline.library.manifest import write_manifest
from rmod_pipeline.library.scanning.cache import ScanCache
from tests.curation.organise.organise_helpers import FakeListener, classification, digest, snapshot
from tests.library.library_sounds import RATE, asset, hit, write_sound


def gather(source: Path, **options: object) -> SourceFacts:
    with closing(ScanCache(None)) as cache:
        return gather_facts(open_source(source), cache, FactOptions(**options))  # type: ignore[arg-type]


def by_path(found: SourceFacts) -> dict[str, SourceSound]:
    return {sound.path: sound for sound in found.sounds}


def reasons(found: SourceFacts) -> dict[str, str]:
    return {leftover.path: leftover.reason for leftover in found.leftovers}


def tone(hz: float, seconds: float = 0.5) -> Audio:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * hz * time) * np.exp(-4 * time), np.float32)[None]


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("open_hihat", "a.wav", ("hihat", "open")),
        ("hihat", "Closed Hats/1.wav", ("hihat", "closed")),
        ("hihat", "1.wav", ("hihat", "")),
        ("tom", "Floor Tom 1.wav", ("tom", "low")),
        ("tom", "Low End Kit/tom.wav", ("tom", "")),
        ("cymbal", "Cymbals/Crash 1.wav", ("cymbal", "crash")),
        ("ride", "1.wav", ("cymbal", "ride")),
        ("bass", "Bass/1.wav", ("bass", "")),
        ("timbale", "1.wav", ("percussion", "timbale")),
        ("kazoo", "1.wav", ("kazoo", "")),
        ("", "1.wav", ("", "")),
    ],
)
def test_a_kind_is_written_as_class_and_part(kind: str, path: str, expected: tuple[str, str]) -> None:
    found = answer_by_name(kind, path)
    assert (found.kind, found.subkind) == expected
    assert found.kind_from == (NAME if kind else "")


def answer(
    kind: str = "", subkind: str = "", confidence: float | None = None, kind_from: str = "", note: str = ""
) -> KindAnswer:
    return KindAnswer(kind=kind, subkind=subkind, confidence=confidence, kind_from=kind_from, note=note)


KICK, HAT, BASS = (answer(kind, kind_from=NAME) for kind in ("kick", "hihat", "bass"))
CLOSED_HAT, MANIFEST_KICK = answer("hihat", "closed", kind_from=NAME), answer("kick", kind_from=MANIFEST)
SURE_OF_SNARE, SURE_OF_NOTHING = classification("snare", "", 0.98), classification("not_a_drum", "", 0.98)
LITTLE = (1 - 0.98) / 2


@pytest.mark.parametrize(
    ("named", "by_ear", "expected"),
    [
        (KICK, None, KICK),
        (answer(), None, answer()),
        # Without a name the ear decides, if it is certain.
        (answer(), classification("tom", "low", 0.8), answer("tom", "low", 0.8, "ear")),
        (answer(), classification("tom", "low", 0.4, False), answer(confidence=0.4, note="perhaps tom/low")),
        (answer(), SURE_OF_NOTHING, answer("not_a_drum", "", 0.98, "ear")),
        # With a name: both, or a doubt, or the ear if it is sure.
        (KICK, classification("kick", "", 0.8), answer("kick", "", 0.8, "both")),
        (HAT, classification("hihat", "open", 0.8), answer("hihat", "open", 0.8, "both")),
        (CLOSED_HAT, classification("hihat", "open", 0.8), answer("hihat", "closed", 0.8, "both")),
        (KICK, classification("kick", "", 0.4, False), replace(KICK, confidence=0.4)),
        (KICK, classification("snare", "", 0.8), replace(KICK, confidence=(1 - 0.8) / 2)),
        (KICK, SURE_OF_SNARE, answer("snare", "", 0.98, "ear", "the name says kick")),
        (KICK, classification("snare", "", 0.98, False), replace(KICK, confidence=LITTLE)),
        # Drums of one family are only doubted, and so is a manifest. A drum stays one, and music is not judged.
        (KICK, classification("tom", "", 0.98), replace(KICK, confidence=LITTLE, note="by ear tom, 0.98")),
        (MANIFEST_KICK, SURE_OF_SNARE, replace(MANIFEST_KICK, confidence=LITTLE, note="by ear snare, 0.98")),
        (KICK, SURE_OF_NOTHING, replace(KICK, confidence=LITTLE)),
        (BASS, classification("kick", "", 0.99), BASS),
    ],
)
def test_name_and_ear_together(named: KindAnswer, by_ear: Classification | None, expected: KindAnswer) -> None:
    assert combine_answers(named, by_ear) == expected


def test_the_ear_is_asked_where_names_say_nothing_once_per_sound(tmp_path: Path) -> None:
    write_sound(tmp_path / "0001.wav", hit(1))
    write_sound(tmp_path / "copies" / "0001 copy.wav", hit(1))
    write_sound(tmp_path / "0002.wav", hit(2))
    write_sound(tmp_path / "kick.wav", hit(3))
    write_sound(tmp_path / "drum loop 3.wav", hit(4))
    listener = FakeListener({"0001.wav": classification("tom", "low", 0.91)})
    found = by_path(gather(tmp_path, listen=listener))
    assert listener.names == ["0001.wav", "0002.wav"]
    for path in ("0001.wav", "copies/0001 copy.wav"):
        sound = found[path]
        assert (sound.kind, sound.subkind, sound.confidence, sound.kind_from) == ("tom", "low", 0.91, "ear")
    assert found["0001.wav"].sound == found["copies/0001 copy.wav"].sound != found["0002.wav"].sound
    assert (found["0002.wav"].kind, found["kick.wav"].kind_from) == ("", "name")
    assert (found["drum loop 3.wav"].kind, found["drum loop 3.wav"].subkind) == ("", "loop")
    everything = FakeListener({})
    gather(tmp_path, listen=everything, listens_to_all=True)
    assert everything.names == ["0001.wav", "0002.wav", "kick.wav"]


def test_a_copy_with_a_name_names_the_others(tmp_path: Path) -> None:
    write_sound(tmp_path / "0001.wav", hit(1))
    write_sound(tmp_path / "renders" / "Floor Tom.wav", hit(1) * np.float32(0.5))
    listener = FakeListener({})
    found = by_path(gather(tmp_path, listen=listener))
    assert (found["0001.wav"].kind, found["0001.wav"].subkind) == ("tom", "low")
    assert found["0001.wav"].note == "the kind of its copy renders/Floor Tom.wav" and not listener.names


def test_several_hits_are_a_loop(tmp_path: Path) -> None:
    hits = np.concatenate([np.pad(hit(seed), ((0, 0), (0, RATE // 4))) for seed in (1, 2, 3)], axis=1)
    for name in ("kick chain.wav", "0001.wav", "bass phrase.wav"):
        write_sound(tmp_path / name, hits)
    write_sound(tmp_path / "snare roll.wav", hit(5))
    found = by_path(gather(tmp_path))
    assert (found["kick chain.wav"].kind, found["kick chain.wav"].subkind) == ("kick", "loop")
    assert found["snare roll.wav"].subkind == "roll" and found["0001.wav"].subkind == "loop"


def test_every_file_that_cannot_be_used_has_a_reason(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_sound(source / "kick.wav", hit(1))
    write_sound(source / "silent kick.wav", np.zeros((1, 4410), np.float32))
    write_sound(source / "short kick.wav", hit(1)[:, :40])
    (source / "broken kick.wav").write_text("text")
    (source / "song.m4a").write_bytes(b"\0\0\0 ftypM4A and so on")
    (source / "readme.txt").write_text("hello")
    (source / ".hidden.wav").write_text("")
    os.mkfifo(source / "pipe.wav")
    outside = write_sound(tmp_path / "outside" / "kick.wav", hit(2))
    (source / "link.wav").symlink_to(outside)
    (source / "folder").symlink_to(outside.parent)
    (source / "twin.wav").symlink_to(source / "kick.wav")
    before = snapshot_without_pipe(source)
    found = gather(source, keeps_leftovers=True)
    assert snapshot_without_pipe(source) == before
    assert list(by_path(found)) == ["kick.wav"]
    expected = {
        "silent kick.wav": "silent",
        "short kick.wav": "too short",
        "broken kick.wav": "not readable",
        "song.m4a": "a format that rmod does not read",
        "readme.txt": "not audio",
        ".hidden.wav": "hidden",
        "pipe.wav": "not a regular file",
        "link.wav": "a link that leaves the folder",
        "folder": "a link to a folder",
        "twin.wav": "a link to a file that is read itself",
    }
    assert {path: reason[: len(expected[path])] for path, reason in reasons(found).items()} == expected
    kept = {leftover.path: leftover.sha256 for leftover in found.leftovers if leftover.sha256}
    assert set(kept) == {"silent kick.wav", "short kick.wav", "broken kick.wav", "song.m4a"}
    assert kept["broken kick.wav"] == digest("text")
    assert not any(leftover.sha256 for leftover in gather(source).leftovers)


def snapshot_without_pipe(folder: Path) -> object:
    (folder / "pipe.wav").unlink()
    try:
        return snapshot(folder)
    finally:
        os.mkfifo(folder / "pipe.wav")


def test_names_that_are_not_utf8_are_left_out_and_stay_readable(tmp_path: Path) -> None:
    write_sound(tmp_path / "kick.wav", hit(1))
    shutil.copy(os.fsencode(tmp_path / "kick.wav"), os.fsencode(tmp_path) + b"/kick\xff.wav")
    assert reasons(gather(tmp_path, keeps_leftovers=True)) == {"kick\\udcff.wav": "the name is not UTF-8: rename it"}


def test_a_manifest_says_what_its_sounds_are(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    first, second = write_sound(sounds / "1.wav", hit(1)), write_sound(sounds / "2.wav", hit(2))
    write_sound(sounds / "not listed.wav", hit(3))
    rows = [
        asset("one", path="sounds/1.wav", kind="open_hihat", sha256=digest(first.read_bytes()), kit="K", source="S"),
        asset("two", path="sounds/2.wav", kind="kick", sha256=digest(b"as it was")),
        asset("three", path="sounds/gone.wav", kind="kick"),
    ]
    write_manifest(tmp_path / "library.csv", rows)
    found = gather(tmp_path / "library.csv", keeps_leftovers=True)
    (sound,) = found.sounds
    assert (sound.kind, sound.subkind, sound.kind_from, sound.kit, sound.source) == (
        "hihat",
        "open",
        "manifest",
        "K",
        "S",
    )
    assert sound.licence == "CC0-1.0" and second.exists()
    assert reasons(found) == {
        "sounds/2.wav": "changed since the scan that wrote the manifest: scan again",
        "sounds/gone.wav": "cannot be read: No such file or directory",
    }
    assert not any(leftover.sha256 for leftover in found.leftovers)
    assert open_source(tmp_path / "library.csv").inner_folder == sounds.resolve()


def test_other_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for name, found in (
        ("none", "no such folder or manifest"),
        ("none.csv", "no such file"),
        ("readme.txt", "is a file, not a manifest"),
        ("empty", "no audio file"),
    ):
        with pytest.raises(UsageError, match=found):
            open_source(tmp_path / name)
    with pytest.raises(ManifestError):
        open_source(tmp_path / "other.csv")


@pytest.mark.parametrize("hz", [100.0, 440.0, 3_000.0, 8_000.0])
def test_the_centroid_of_a_tone_is_its_frequency(hz: float) -> None:
    centroid = measure_centroid(compute_fingerprint(make_excerpt(tone(hz), RATE)).tobytes())
    assert abs(centroid - hz) < 0.1 * hz + 15


def test_the_centroid_depends_on_no_level_and_silence_has_none() -> None:
    loud, quiet = (
        measure_centroid(compute_fingerprint(make_excerpt(hit(1) * np.float32(gain), RATE)).tobytes())
        for gain in (1.0, 0.01)
    )
    assert abs(loud - quiet) < 1
    assert measure_centroid(compute_fingerprint(make_excerpt(np.zeros((1, 100), np.float32), RATE)).tobytes()) == 0


@given(kind=st.sampled_from(["", "kazoo", *BRIGHTNESS_LIMITS_HZ]), low=st.floats(0, 10_000), high=st.floats(0, 10_000))
def test_words_rise_with_what_they_describe(kind: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    order = BRIGHTNESS_WORDS.index
    assert order(describe_brightness(low, kind)) <= order(describe_brightness(high, kind))
    assert LENGTH_WORDS.index(describe_length(low / 1000)) <= LENGTH_WORDS.index(describe_length(high / 1000))


def test_words_at_their_limits() -> None:
    words = [describe_brightness(hz, "kick") for hz in (0, 159, 160, 239, 240, 9_999)]
    assert words == ["dark", "dark", "warm", "warm", "bright", "bright"]
    assert [describe_length(seconds) for seconds in (0.29, 0.3, 0.99, 1.0)] == ["short", "medium", "medium", "long"]
