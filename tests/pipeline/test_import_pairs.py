"""Laws of an import: the files decide the bytes, no file stops the others, and nothing is lost without a word."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from rmod_pipeline import api
from rmod_pipeline.api.results import IncompleteBuildError
from rmod_pipeline.audio import to_pcm
from rmod_pipeline.errors import BuildError, ManifestError, UsageError
from rmod_pipeline.pipeline.executors.config import ComputeConfig
from tests.tiny_pairs import FRAMES, HITS, LAYOUTS, RATE, import_tiny, make_sounds, write_pairs, write_sound


def files_of(out: Path) -> dict[str, bytes]:
    """Return everything but the log."""
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths if "log" not in path.parts}


def outcomes(out: Path) -> dict[str, dict[str, str]]:
    """Return the rows of pairs.csv by original key or path."""
    with (out / "pairs.csv").open(encoding="utf-8", newline="") as file:
        return {row["original_key"]: row for row in csv.DictReader(file)}


@pytest.fixture
def imported(tmp_path: Path) -> api.ImportResult:
    return import_tiny(write_pairs(tmp_path / "pairs"), tmp_path / "out")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_samples_of_its_files(layout: str, tmp_path: Path) -> None:
    data = import_tiny(write_pairs(tmp_path / "pairs", layout), tmp_path / "out")
    assert data.keys() == ["test-00000000", "test-00000001", "test-00000002"]
    for key, seed in zip(data.keys(), (1, 2, 10), strict=True):
        pair, sounds = data.pair(key), make_sounds(seed)
        assert pair.spec.original_key == str(seed)
        assert list(pair.audio) == ["mix", "kick", "snare"]
        for sound, samples in sounds.items():
            stereo = np.broadcast_to(samples, (len(samples), 2))
            # What `from_pcm` divides by is what `to_pcm` multiplies with, so this compares the stored samples.
            assert np.array_equal(to_pcm(pair.audio[sound]), stereo.T)


def test_two_workers_and_a_resumed_import_give_the_same_bytes(imported: api.ImportResult, tmp_path: Path) -> None:
    expected = files_of(tmp_path / "out")
    other = tmp_path / "other"
    import_tiny(tmp_path / "pairs", other, compute=ComputeConfig(workers=2))
    assert files_of(other) == expected
    (other / "receipts" / "audio" / "test-000001.json").unlink()
    (other / "pairs.csv").unlink()
    assert import_tiny(tmp_path / "pairs", other).summary.made == 1
    assert files_of(other) == expected


def test_a_folder_may_move(imported: api.ImportResult, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(tmp_path / "pairs", moved)
    import_tiny(moved, tmp_path / "other")
    assert files_of(tmp_path / "other") == files_of(tmp_path / "out")


def test_an_import_passes_verification(imported: api.ImportResult) -> None:
    checked = api.verify(imported, progress=False)
    assert checked.ok
    assert checked.report.pairs == 3


def silent(samples: np.ndarray) -> np.ndarray:
    return np.zeros_like(samples)


def with_nan(samples: np.ndarray) -> np.ndarray:
    floats = samples / 32_768
    floats[5] = np.nan
    return floats


def remove_one_shots(root: Path) -> None:
    for kind in HITS:
        (root / f"2.{kind}.wav").unlink()


@dataclass(frozen=True)
class Damage:
    act: Callable[[Path], object]
    reason: str


DAMAGES = {
    "no mixture": Damage(lambda root: (root / "2.mix.wav").unlink(), "no mixture"),
    "no one-shot": Damage(remove_one_shots, "no one-shot"),
    "no snare": Damage(lambda root: (root / "2.snare.wav").unlink(), "no snare"),
    "text": Damage(lambda root: (root / "2.kick.wav").write_text("no audio"), "unreadable kick"),
    "empty": Damage(lambda root: (root / "2.mix.wav").write_bytes(b""), "unreadable mix"),
    "cut": Damage(
        lambda root: (root / "2.mix.wav").write_bytes((root / "2.mix.wav").read_bytes()[:5000]), "unreadable mix"
    ),
    "NaN": Damage(
        lambda root: write_sound(root / "2.kick.wav", with_nan(make_sounds(2)["kick"]), subtype="FLOAT"),
        "unreadable kick",
    ),
    "silent": Damage(lambda root: write_sound(root / "2.snare.wav", silent(make_sounds(2)["snare"])), "silent snare"),
    "opposite channels": Damage(
        lambda root: write_sound(root / "2.mix.wav", make_sounds(2)["mix"][:, :1] * np.array([1, -1], np.int16)),
        "silent mix",
    ),
    "twice": Damage(
        lambda root: write_sound(root / "kick" / "2.flac", make_sounds(2)["kick"]), "a sound that is there twice"
    ),
    "bad onsets": Damage(lambda root: (root / "2.mid").write_bytes(b"MThd nonsense"), "unreadable onsets"),
    "late onsets": Damage(
        lambda root: (root / "2.csv").write_text("kind,seconds\nkick,0\nsnare,9\n"), "no snare within the mixture"
    ),
    "no onsets": Damage(lambda root: (root / "2.csv").write_text("kind,seconds\nkick,0\n"), "unreadable onsets"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_pair_that_cannot_be_used_stops_no_other(damage: Damage, tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "pairs")
    damage.act(root)
    data = import_tiny(root, tmp_path / "out")
    assert data.left_out == {damage.reason: 1}
    assert outcomes(tmp_path / "out")["2"]["reason"] == damage.reason
    assert sorted(pair.spec.original_key for pair in data.pairs()) == ["1", "10"]
    assert api.verify(data, progress=False).ok


def test_other_rates_lengths_and_levels_are_adapted_and_counted(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "pairs")
    sounds = make_sounds(2)
    write_sound(root / "2.mix.wav", np.repeat(sounds["mix"], 4, axis=0), 2 * RATE)
    write_sound(root / "1.mix.wav", sounds["mix"][: FRAMES // 2])
    late = np.concatenate([np.zeros((400, 1), np.int16), sounds["kick"]])
    write_sound(root / "1.kick.wav", late / 16_000, subtype="FLOAT")
    data = import_tiny(root, tmp_path / "out")
    assert not data.left_out
    assert data.notices == {
        "mix padded with silence": 1,
        "kick clipped at full scale": 1,
        "kick begins late": 1,
        f"mix resampled from {2 * RATE} Hz": 1,
        "mix cut": 1,
    }
    assert all(pair.mix.shape == (2, FRAMES) for pair in data.pairs())


def write_midi(path: Path, kinds: dict[str, tuple[int, ...]]) -> None:
    """Write hits on the drum channel at a tempo that changes, with 2,000 ticks per beat of a quarter of a second."""
    midi = mido.MidiFile(ticks_per_beat=RATE // 4)
    tempo = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=250_000), mido.MetaMessage("set_tempo", tempo=500_000)])
    tempo[1].time = FRAMES // 4
    midi.tracks.append(tempo)
    # After the change a tick lasts two frames.
    ticks = {
        frame: frame if frame <= FRAMES // 4 else FRAMES // 4 + (frame - FRAMES // 4) // 2 for frame in range(FRAMES)
    }
    events = sorted(
        (ticks[frame], {"kick": 36, "snare": 40}[kind]) for kind, frames in kinds.items() for frame in frames
    )
    track, last = mido.MidiTrack(), 0
    for tick, note in events:
        track.append(mido.Message("note_on", channel=9, note=note, velocity=77, time=tick - last))
        last = tick
    midi.tracks.append(track)
    midi.save(path)


def onsets_of(pair: api.DataPair) -> dict[str, tuple[int, ...]]:
    settings = pair.spec.settings
    return {drum.kind: tuple(settings.onset(note.tick) for note in drum.notes) for drum in pair.spec.drums}


def test_known_hits_keep_their_frames(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "pairs")
    hits = {"kick": (0, 2_000), "snare": (900,)}
    write_midi(root / "1.mid", hits)
    lines = [f"{kind},{frame / RATE}" for kind, frames in hits.items() for frame in frames]
    (root / "2.csv").write_text("\n".join(["kind,seconds", *lines]), encoding="utf-8")
    data = import_tiny(root, tmp_path / "out")
    first, second, third = data.pairs()
    assert onsets_of(first) == onsets_of(second) == hits
    assert onsets_of(third) == {"kick": (), "snare": ()}
    # The stored MIDI file gives the same frames when it is imported again.
    again = write_pairs(tmp_path / "again", keys=("1",))
    from rmod_pipeline.reading.pairs import read_pair

    (again / "1.mid").write_bytes(read_pair(data.out, first.key).members["mid"])
    assert onsets_of(next(import_tiny(again, tmp_path / "out2").pairs())) == hits


def test_folders_and_the_table_decide_splits_and_licences(tmp_path: Path) -> None:
    root = tmp_path / "pairs"
    write_pairs(root / "train", keys=("1",))
    write_pairs(root, "a folder per sound", keys=("2", "3"))
    table = tmp_path / "about.csv"
    table.write_text("key,licence,source,split\n2,CC-BY-4.0,somebody,valid\nnobody,MIT,,\n", encoding="utf-8")
    data = import_tiny(root, tmp_path / "out", table=table, licence="CC0-1.0")
    assert data.counts == {"train": 1, "valid": 1, "test": 1}
    assert data.left_out == {"a row of the table that fits no pair": 1}
    assert data.licences() == {"CC0-1.0": 6, "CC-BY-4.0": 3}
    sources = data.pair("valid-00000000").sources
    assert {source["source"] for source in sources} == {"somebody"}
    assert {source["id"] for source in sources} == {"mix/2.wav", "kick/2.wav", "snare/2.wav"}
    table.write_text("key,licence\n2,all of them!\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="line 2, column licence"):
        import_tiny(root, tmp_path / "out2", table=table)


def test_kinds_that_few_pairs_have_are_left_out_unless_they_are_named(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "pairs")
    write_sound(root / "1.tom.wav", make_sounds(1)["kick"])
    data = import_tiny(root, tmp_path / "out")
    assert data.recipe.targets == ("kick", "snare")
    assert data.left_out == {"a one-shot of a kind that is not imported": 1}
    named = import_tiny(root, tmp_path / "named", kinds=["tom", "kick"])
    assert named.recipe.targets == ("tom", "kick")
    assert named.left_out == {"a one-shot of a kind that is not imported": 1, "no tom": 2}
    with pytest.raises(UsageError, match="no clap beside any mixture"):
        import_tiny(root, tmp_path / "none", kinds=["clap"])


def test_a_folder_never_mixes_two_imports(imported: api.ImportResult, tmp_path: Path) -> None:
    before = files_of(tmp_path / "out")
    write_sound(tmp_path / "pairs" / "2.kick.wav", make_sounds(5)["kick"])
    with pytest.raises(BuildError, match="holds another data set"):
        import_tiny(tmp_path / "pairs", tmp_path / "out")
    assert files_of(tmp_path / "out") == before


def test_a_file_that_changes_during_the_import_fails_its_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rmod_pipeline.pipeline import import_folder

    root = write_pairs(tmp_path / "pairs")
    configure = import_folder.configure_import

    def change_after(*arguments: object) -> object:
        job = configure(*arguments)  # type: ignore[arg-type]
        write_sound(root / "10.mix.wav", make_sounds(7)["mix"])
        return job

    monkeypatch.setattr(import_folder, "configure_import", change_after)
    with pytest.raises(IncompleteBuildError, match=r"10\.mix\.wav: changed since the scan") as caught:
        import_tiny(root, tmp_path / "out")
    assert caught.value.result.summary.pairs == {"test": 2}


def test_flac_holds_the_same_samples(imported: api.ImportResult, tmp_path: Path) -> None:
    flac = import_tiny(tmp_path / "pairs", tmp_path / "flac", audio_format="flac")
    for one, other in zip(imported.pairs(), flac.pairs(), strict=True):
        assert all(np.array_equal(one.audio[sound], other.audio[sound]) for sound in one.audio)


def test_formats_of_a_scan_are_read(tmp_path: Path) -> None:
    root = tmp_path / "pairs"
    for sound, audio in make_sounds(3).items():
        path = root / f"3.{sound}.aiff"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, audio, RATE, subtype="PCM_24")
    assert import_tiny(root, tmp_path / "out").summary.pairs == {"test": 1}
