"""Play a MIDI file with a kit: each hit is the sound of the pad that its key plays, in exact time."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, make_silence, peak, to_channels
from rmod_pipeline.compose.grooves import choke_notes, make_notes
from rmod_pipeline.curation.drum_kit.measure import RATE
from rmod_pipeline.curation.drum_kit.pads import PADS, Pad, assign_keys, find_pad
from rmod_pipeline.curation.drum_kit.write import StoredKit
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.read import read_sound, resample
from rmod_pipeline.library.taxonomy import class_of
from rmod_pipeline.patterns.drum_maps import DrumMap, map_names
from rmod_pipeline.patterns.midi_file import MidiError, MidiSequence, parse_midi
from rmod_pipeline.patterns.performance import MICROSECONDS, Clock, Hit
from rmod_pipeline.render.tracks import render_drum_loop
from rmod_pipeline.spec import Note, Settings
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import check_writable_file, report_unwritable

PEAK_DB = -1.0
"""A louder mixture is turned down to this peak."""
LONGEST_MINUTES = 10
SOFTWARE = "rmod, a kit that plays"
"""The name of the program in the WAV file, by which a later run knows the file as its own."""

_DEFAULT_TEMPO = 500_000
"""Microseconds per beat of a MIDI file without a tempo."""
_CUT_SECONDS = 0.005
"""Fade of a hit that another one ends."""

_Track = tuple[str, int]
"""Name of a pad, and number of one of its sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedKit:
    """What a kit plays of a MIDI file."""

    audio: Audio
    """[2, samples] at 44.1 kHz."""
    hits: Mapping[str, int]
    """Number of hits by pad."""
    unplayed: Mapping[int, int] = field(default_factory=dict)
    """Number of hits by MIDI key, of keys that no pad of the kit plays."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.audio.shape[1] / RATE)


def play_midi(kit: StoredKit, data: bytes, drum_map: DrumMap, about: object) -> PlayedKit:
    """Return what the bytes of a MIDI file sound like with a kit; ``about`` names the file in errors.

    Raises MidiError for a file that is damaged or has no hit that the kit plays, LibraryError and AssetError for a kit
    whose sounds are not there.
    """
    sequence = parse_midi(data, about)
    keys = pads_by_key(kit, drum_map)
    hits, unplayed = _find_hits(sequence, kit, keys, drum_map)
    if not hits:
        found = (
            f"no hit that the kit plays; its keys are {', '.join(map(str, sorted(unplayed))) or 'on other channels'}"
        )
        raise MidiError(about, found, "choose another --map, or a file of drums")
    units = MICROSECONDS * sequence.ticks_per_beat
    last = max(time for of_track in hits.values() for time, _ in of_track)
    if last > 60 * LONGEST_MINUTES * units:
        found = f"too long: {last / units / 60:.0f} minutes; up to {LONGEST_MINUTES} are played"
        raise MidiError(about, found, "give a shorter file")
    sounds = {track: _read_pad(kit, track) for track in hits}
    frames = -(-last * RATE // units) + max(sound.shape[1] for sound in sounds.values())
    audio = _mix(hits, sounds, _settings(frames), units)
    counts = Counter({track[0]: 0 for track in hits})
    for (pad, _), of_track in hits.items():
        counts[pad] += len(of_track)
    return PlayedKit(audio=audio, hits={name: counts[name] for name in PADS if counts[name]}, unplayed=unplayed)


def pads_by_key(kit: StoredKit, drum_map: DrumMap) -> dict[int, Pad]:
    """Return the pad of a kit that each key of a map plays."""
    pads = [pad for name, pad in PADS.items() if kit.sounds_of(name)]
    if drum_map.name in map_names():
        return assign_keys(pads, drum_map.name)
    found = {key: find_pad(pads, *(class_of(kind) or ("", ""))) for key, kind in drum_map.kinds_by_key().items()}
    return {key: pad for key, pad in found.items() if pad is not None}


def write_loop(played: PlayedKit, out: Path) -> None:
    """Write a WAV file of 24 bits. Raises UsageError if it cannot be written, or another file is there."""
    check_loop_file(out)
    with report_unwritable(out):
        publish_bytes(_encode_loop(played.audio), out, out.absolute().parent)


def check_loop_file(out: Path) -> None:
    """Raise UsageError unless ``out`` can become a file, or is one that an earlier run wrote."""
    check_writable_file(out)
    if out.exists() and not _is_own_file(out):
        raise UsageError(out, "already exists and is no loop that a kit has played", "choose another --out")


def _find_hits(
    sequence: MidiSequence, kit: StoredKit, keys: Mapping[int, Pad], drum_map: DrumMap
) -> tuple[dict[_Track, list[Hit]], dict[int, int]]:
    """Return the hits of each sound, and the number of hits by key that no pad plays."""
    sequence.tempos = sequence.tempos or [(0, _DEFAULT_TEMPO)]
    clock, turns, unplayed = Clock(sequence), Counter[str](), Counter[int]()
    hits: dict[_Track, list[Hit]] = defaultdict(list)
    for tick, channel, key, velocity in sequence.notes:
        if channel not in drum_map.channels:
            continue
        pad = keys.get(key)
        if pad is None:
            unplayed[key] += 1
            continue
        number = _choose_sound(kit, pad, velocity, turns[pad.name])
        turns[pad.name] += 1
        hits[pad.name, number].append((clock.time_of(tick), velocity))
    return dict(hits), dict(sorted(unplayed.items()))


def _choose_sound(kit: StoredKit, pad: Pad, velocity: int, turn: int) -> int:
    """Return the number of the sound of a pad that a hit plays."""
    sounds = kit.sounds_of(pad.name)
    if kit.round_robin:
        return turn % len(sounds)
    return next((at for at, sound in enumerate(sounds) if velocity <= sound.high_velocity), len(sounds) - 1)


def _read_pad(kit: StoredKit, track: _Track) -> Audio:
    """Return a sound of a kit [2, samples] at 44.1 kHz."""
    pad, number = track
    path = kit.sounds_of(pad)[number].path
    if not path.is_file():
        raise LibraryError(path, "is missing", "make the kit again")
    audio, rate = read_sound(path)
    return to_channels(resample(audio, rate, RATE), 2)


def _settings(frames: int) -> Settings:
    """Return settings with one point of the grid per sample, so that times are exact to half a sample."""
    return Settings(
        engine="kit",
        sample_rate=RATE,
        frames=frames,
        grid=frames,
        one_shot_frames=frames,
        one_shot_fade_frames=0,
        truncation_fade_frames=round(_CUT_SECONDS * RATE),
        loop_frames=0,
        loop_fade_frames=0,
    )


def _mix(
    hits: Mapping[_Track, list[Hit]], sounds: Mapping[_Track, Audio], settings: Settings, units_per_second: int
) -> Audio:
    names = {track: f"{track[0]} {track[1]}" for track in hits}
    notes: Mapping[str, tuple[Note, ...]] = {
        names[track]: make_notes(sorted(of_track), 0, units_per_second, settings) for track, of_track in hits.items()
    }
    for group in _list_choke_groups(hits):
        notes = choke_notes(notes, [names[track] for track in group])
    mix = make_silence(2, settings.frames)
    for track, sound in sounds.items():
        mix += render_drum_loop(sound, notes[names[track]], settings)
    loudest, most = peak(mix), db_to_gain(PEAK_DB)
    return mix * np.float32(most / loudest) if loudest > most else mix


def _list_choke_groups(tracks: Iterable[_Track]) -> list[list[_Track]]:
    """Return the sounds that end each other: those of one pad, and those of one choke group."""
    groups: dict[object, list[_Track]] = defaultdict(list)
    for track in tracks:
        groups[PADS[track[0]].choke_group or track[0]].append(track)
    return [group for group in groups.values() if len(group) > 1]


def _encode_loop(audio: Audio) -> bytes:
    import soundfile

    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", samplerate=RATE, channels=audio.shape[0], format="WAV", subtype="PCM_24"
    ) as file:
        file.software = SOFTWARE
        file.write(audio.T)
    return stream.getvalue()


def _is_own_file(path: Path) -> bool:
    """Return whether a file is a loop that an earlier run wrote."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            return str(file.software).startswith(SOFTWARE)
    except (soundfile.SoundFileError, RuntimeError, OSError):
        return False
