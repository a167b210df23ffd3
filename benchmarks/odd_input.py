"""Test how a scan treats odd sounds and MIDI files, and how rmod treats mutated inputs of all kinds.

    python benchmarks/odd_input.py

Prints the tables of docs/lab/odd-input.md. Ends with 1 if any input ends in anything but its use, a reasoned drop or an
error of ours.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import soundfile

from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.errors import RmodError
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.library.read import decode_sound
from rmod_pipeline.library.scanning.scan import ScanConfig, scan_folder
from rmod_pipeline.library.splits import parse_shares
from rmod_pipeline.patterns.drum_maps import EXAMPLE, load_drum_map
from rmod_pipeline.patterns.manifest import load_grooves
from rmod_pipeline.patterns.performance import read_performance
from rmod_pipeline.patterns.scan import scan_grooves_to_manifest
from rmod_pipeline.recipe import find_recipe, load_recipe, parse_recipe
from rmod_pipeline.spec import PairId, PairSpec
from rmod_pipeline.storage.folders import shipped_folder

RATE = 44_100
FORMATS = ("WAV", "AIFF", "FLAC", "OGG", "MP3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="mutations of each kind of input")
    parser.add_argument("--midi", action="store_true", help="MIDI performances, their manifests and maps alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.midi:
            print_odd_sounds(Path(folder) / "odd")
        print_odd_midi(Path(folder) / "midi")
        kinds = groove_inputs(Path(folder))
        if not options.midi:
            kinds = {**inputs(Path(folder)), **kinds}
        sys.exit(print_mutations(kinds, options.count))


def print_odd_sounds(folder: Path) -> None:
    """Make a folder of odd files, scan it, and print the result for each."""
    kicks = folder / "kick"
    kicks.mkdir(parents=True)
    names = dict(make_odd(kicks))
    rules = ScanConfig(
        shares=parse_shares("90/5/5"), licence="", max_one_shot_seconds=10, max_loop_seconds=600, workers=1
    )
    scan = scan_folder(folder, folder / "odd.csv", rules)
    results = {asset.path: f"used: {asset.sample_rate} Hz, channels {asset.channels}" for asset in scan.assets}
    results |= {drop.path: f"dropped: {drop.reason}" for drop in scan.dropped}
    print("| file | result |\n| --- | --- |")
    for what, name in names.items():
        print(f"| {what} | {results.get(f'kick/{name}', 'passed over')} |")
    print()


def make_odd(folder: Path) -> Iterator[tuple[str, str]]:
    """Write odd files; yield a description and the name of each."""
    hit = drum_hit(0.3)

    def write(name: str, audio: np.ndarray, rate: int = RATE, **options: str) -> str:
        soundfile.write(folder / name, audio, rate, **options)
        return name

    for what, subtype in (("8 bit", "PCM_U8"), ("24 bit", "PCM_24"), ("float", "FLOAT"), ("double", "DOUBLE")):
        yield what, write(f"{subtype.lower()}.wav", hit * (0.5 + 0.1 * len(what)), subtype=subtype)
    yield "6 channels", write("six.wav", np.stack([drum_hit(0.2) * (0.3 + 0.1 * n) for n in range(6)]).T)
    yield "192 kHz", write("fast.wav", drum_hit(0.4), 192_000)
    broken = hit.copy()
    broken[100] = np.nan
    yield "a NaN among its samples", write("nan.wav", broken, subtype="FLOAT")
    yield "no frames", write("none.wav", hit[:0])
    yield "one sample", write("one.wav", hit[:1])
    yield "3 hours", write("hours.wav", np.tile(hit[:8000], 10_800), 8_000, subtype="PCM_U8")
    yield "nothing but an offset", write("offset.wav", np.full(RATE // 4, 0.5))
    yield "a hit on an offset", write("on-offset.wav", drum_hit(0.25) * 0.4 + 0.3)
    yield "digital silence", write("silent.wav", np.zeros(RATE // 4))
    whole = encoded(hit, "FLAC")
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    yield "a FLAC cut in half", "cut.flac"
    (folder / "header.mp3").write_bytes(b"ID3" + b"\xff" * 200 + encoded(hit, "MP3")[300:])
    yield "an MP3 with a bad header", "header.mp3"
    (folder / "text.wav").write_text("kick")
    yield "text called .wav", "text.wav"
    (folder / "empty.wav").touch()
    yield "an empty file", "empty.wav"
    for number, name in enumerate((" two  spaces .wav", "gr\u00fc\u00df\u266b.wav", "quo\"te's.wav", "new\nline.wav")):
        yield f"a name like {name!r}", write(name, drum_hit(0.15 + 0.01 * number))
    (folder / "inside.wav").symlink_to("pcm_24.wav")
    yield "a link to a file that is there anyway", "inside.wav"
    (folder / "loop").symlink_to(folder)
    yield "a link to its own folder", "loop"
    (folder / "itself.wav").symlink_to("itself.wav")
    yield "a link to itself", "itself.wav"
    soundfile.write(folder.parent.parent / "elsewhere.wav", drum_hit(0.2), RATE)
    (folder / "out.wav").symlink_to("../../elsewhere.wav")
    yield "a link out of the folder", "out.wav"


def print_odd_midi(folder: Path) -> None:
    """Make a folder of odd MIDI files, scan it, and print the result for each."""
    folder.mkdir(parents=True)
    names = dict(make_odd_midi(folder))
    scan = scan_grooves_to_manifest(folder, folder / "grooves.csv")
    results = {entry.path: f"used: {entry.bars} bars, {entry.kinds}" for entry in scan.entries}
    results |= {drop.path: f"dropped: {drop.reason}" for drop in scan.dropped}
    print("| file | result |\n| --- | --- |")
    for what, name in names.items():
        print(f"| {what} | {results.get(name, 'passed over')} |")
    print()


def make_odd_midi(folder: Path) -> Iterator[tuple[str, str]]:
    """Write odd MIDI files; yield a description and the name of each."""

    def write(name: str, data: bytes) -> str:
        (folder / name).write_bytes(data)
        return name

    good = midi_file()
    yield "a performance", write("good.mid", good)
    yield "a performance without a suffix", write("good", midi_file(velocity=99))
    yield "running status, and a velocity of 0 as the end of a note", write("running.mid", midi_file(is_running=True))
    yield "bytes after the last track", write("rest.mid", midi_file(velocity=98) + bytes(9))
    yield "text called .mid", write("text.mid", b"This is no MIDI file.")
    yield "an empty file", write("empty.mid", b"")
    yield "type 2", write("two.mid", good[:9] + b"\x02" + good[10:])
    yield "SMPTE time", write("smpte.mid", good[:12] + b"\xe7\x28" + good[14:])
    yield "a beat of 0 ticks", write("zero.mid", good[:12] + b"\0\0" + good[14:])
    yield "no tempo", write("no-tempo.mid", midi_file(tempo=b""))
    yield "a tempo of 0", write("no-time.mid", midi_file(tempo=b"\x00\xff\x51\x03\x00\x00\x00"))
    yield "3/4", write("waltz.mid", midi_file(metres=b"\x00\xff\x58\x04\x03\x02\x18\x08"))
    changing = b"\x00\xff\x58\x04\x04\x02\x18\x08\x00\xff\x58\x04\x07\x03\x18\x08"
    yield "4/4, then 7/8", write("changing.mid", midi_file(metres=changing))
    yield "27 minutes", write("long.mid", midi_file(gap=800 * 1920))
    yield "a melody on channel 1", write("melody.mid", midi_file(channel=0))
    yield "hanging notes", write("hanging.mid", midi_file(ends=False))
    yield "keys that no drum has", write("keys.mid", midi_file(key=10))
    yield "a file cut in half", write("cut.mid", good[: len(good) // 2])
    (folder / "loop.mid").symlink_to("loop.mid")
    yield "a link to itself", "loop.mid"


TEMPO = b"\x00\xff\x51\x03\x07\xa1\x20"
"""120 beats per minute."""


def midi_file(
    *,
    tempo: bytes = TEMPO,
    metres: bytes = b"",
    channel: int = 9,
    key: int = 36,
    velocity: int = 100,
    beats: int = 9,
    gap: int = 0,
    ends: bool = True,
    is_running: bool = False,
) -> bytes:
    """Return a MIDI file with a hit per beat, and one more after ``gap`` ticks."""
    on, off = (bytes([status | channel, key, value]) for status, value in ((0x90, velocity), (0x80, 64)))
    if is_running:
        on, off = bytes([key, velocity]), bytes([key, 0])
    hits = [b"\x00" + (bytes([0x90 | channel]) if is_running and not beat else b"") + on for beat in range(beats)]
    last = bytes([0x80 | gap >> 14 & 0x7F, 0x80 | gap >> 7 & 0x7F, gap & 0x7F]) + on + b"\x0a" + off
    events = b"".join(hit + (b"\x83\x60" + off if ends else b"") for hit in hits)
    track = tempo + metres + events + (last if ends else b"") + b"\x00\xff\x2f\x00"
    return b"MThd\0\0\0\x06\0\0\0\x01\x01\xe0MTrk" + len(track).to_bytes(4, "big") + track


def print_mutations(kinds: Mapping[str, tuple[bytes, Callable[[bytes], object]]], count: int) -> int:
    """Mutate inputs, print the results, and return 1 if any result is unexpected."""
    print(
        "| input | mutations | used | refused with an error of ours | anything else |\n| --- | --- | --- | --- | --- |"
    )
    wrong = 0
    for what, (original, use) in kinds.items():
        chance = random.Random(f"{what} 0")
        used = refused = other = 0
        for _ in range(count):
            try:
                use(mutated(original, chance))
                used += 1
            except RmodError:
                refused += 1
            except Exception as error:  # noqa: BLE001  (what this script is to find)
                other += 1
                print(f"{what}: {error!r}", file=sys.stderr)
        wrong += other
        print(f"| {what} | {count} | {used} | {refused} | {other} |")
    return int(wrong > 0)


def inputs(folder: Path) -> dict[str, tuple[bytes, Callable[[bytes], object]]]:
    """Return the kinds of input: valid bytes, and the function that reads them."""
    hit = drum_hit(0.3)
    kinds: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
        f"a sound, {name}": (encoded(hit, name), lambda data: decode_sound(data, "sound")) for name in FORMATS
    }
    manifest = folder / "m.csv"
    library = load_library("builtin")
    write_manifest(manifest, library.assets[::16])

    def read_manifest(data: bytes) -> object:
        manifest.write_bytes(data)
        return load_library(manifest)

    kinds["a manifest"] = (manifest.read_bytes(), read_manifest)
    for name in ("quick", "rmod"):
        text = (shipped_folder("recipes") / f"{name}.yaml").read_bytes()
        kinds[f"recipe {name}"] = (text, lambda data: parse_recipe(data.decode("utf-8", "replace")))
    recipe = load_recipe(find_recipe("rmod"))
    pair_id = PairId(seed=0, split="train", index=0)
    spec = compose_pair(recipe, SplitAssets.of(recipe, library, "train"), make_settings(recipe, "pedalboard"), pair_id)
    kinds["a pair's JSON"] = (spec.to_json().encode(), PairSpec.from_json)
    return kinds


def groove_inputs(folder: Path) -> dict[str, tuple[bytes, Callable[[bytes], object]]]:
    """Return the kinds of input about grooves: valid bytes, and the function that reads them."""
    folder = folder / "grooves"
    folder.mkdir()
    drum_map = load_drum_map("general_midi")
    (folder / "one.mid").write_bytes(midi_file())
    scan_grooves_to_manifest(folder, folder / "grooves.csv", licence="CC-BY-4.0", source="a script")

    def read_manifest(data: bytes) -> object:
        (folder / "mutated.csv").write_bytes(data)
        return load_grooves(folder / "mutated.csv")

    def read_map(data: bytes) -> object:
        (folder / "mutated.yaml").write_bytes(data)
        return load_drum_map(folder / "mutated.yaml")

    map_text = EXAMPLE.read_bytes()
    return {
        "a MIDI performance": (midi_file(beats=400), lambda data: read_performance(data, drum_map, "performance")),
        "a manifest of grooves": ((folder / "grooves.csv").read_bytes(), read_manifest),
        "a map of drums": (map_text, read_map),
    }


def mutated(original: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to eight mutations: flipped, removed, repeated, overwritten or truncated bytes."""
    data = bytearray(original)
    for _ in range(chance.randint(1, 8)):
        position, length = chance.randrange(len(data)), chance.randint(1, 16)
        kind = chance.randrange(5)
        if kind == 0:
            data[position] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[position : position + length]
        elif kind == 2:
            data[position:position] = data[position : position + length]
        elif kind == 3:
            data[position : position + length] = chance.randbytes(length)
        else:
            # Headers matter most, so half of all truncations and overwrites change them.
            data[min(position, 64)] = chance.randrange(256)
        data = data or bytearray(b"x")
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) + 1 :]
    return bytes(data)


def drum_hit(seconds: float) -> np.ndarray:
    """Return a decaying tone, float64 [frames]."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * (60 + 200 * seconds) * time) * np.exp(-8 * time) * 0.8


def encoded(audio: np.ndarray, file_format: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, audio, RATE, format=file_format)
    return stream.getvalue()


if __name__ == "__main__":
    main()
