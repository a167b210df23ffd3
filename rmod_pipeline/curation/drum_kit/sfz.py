"""Write a kit as an SFZ file, which most samplers read: keys of General MIDI, velocities, the hi-hats' choke group."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rmod_pipeline.curation.drum_kit.pads import Pad, assign_keys
from rmod_pipeline.curation.drum_kit.results import DrumKit, PadSound

FILE = "kit.sfz"

_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


def encode_sfz(kit: DrumKit) -> bytes:
    """Return the bytes of ``kit.sfz``; equal kits give equal bytes.

    Each key of General MIDI plays the pad of its class, see ``assign_keys``. The sounds of a pad cover the velocities 1
    to 127 without gaps or overlaps, or take turns.
    """
    lines = [
        f"// {_in_one_line(kit.name)}",
        f"// licence: {_in_one_line(kit.licence) or 'unknown'}",
        "",
        "<global> loop_mode=one_shot pitch_keytrack=0",
    ]
    keys = assign_keys(kit.played)
    for pad in kit.played:
        lines += ["", f"// {pad.title}", *_list_lines(kit, pad, [key for key, own in keys.items() if own == pad])]
    return ("\n".join(lines) + "\n").encode()


def _list_lines(kit: DrumKit, pad: Pad, keys: list[int]) -> Iterator[str]:
    """Yield the lines of a pad: where its sounds come from, its group, and a region per key and sound."""
    sounds = sorted(kit.sounds_of(pad), key=lambda sound: sound.low_velocity)
    yield from (f"// {sound.file}: {_describe_source(sound)}" for sound in sounds)
    group = pad.choke_group
    choke = f" group={group} off_by={group} off_mode=fast" if group else ""
    turns = f" seq_length={len(sounds)}" if kit.round_robin and len(sounds) > 1 else ""
    yield f"<group>{choke}{turns}"
    for key in keys:
        for position, sound in enumerate(sounds, 1):
            turn = f" seq_position={position}" if turns else ""
            yield (
                f"<region> sample={sound.file} key={key} pitch_keycenter={key}"
                f" lovel={sound.low_velocity} hivel={sound.high_velocity}{turn}"
            )


def _describe_source(sound: PadSound) -> str:
    parts = (sound.candidate.place.source, sound.licence or "unknown licence", sound.credit)
    return _in_one_line(", ".join(filter(None, parts)))


def _in_one_line(text: str) -> str:
    return _NOT_PRINTED.sub("?", text)
