"""Tell audio files from other files, by their first bytes and by their suffixes."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

AUDIO_SUFFIXES = frozenset({
    ".16svx", ".8svx", ".aif", ".aifc", ".aiff", ".au", ".avr", ".bw64", ".bwf", ".caf", ".flac", ".htk", ".iff",
    ".ircam", ".mat", ".mp1", ".mp2", ".mp3", ".mpga", ".nist", ".oga", ".ogg", ".opus", ".paf", ".pvf", ".rf64",
    ".sd2", ".sds", ".sf", ".snd", ".sph", ".svx", ".voc", ".w64", ".wav", ".wave", ".wve", ".xi",
})  # fmt: skip
"""Suffixes of the formats that libsndfile reads. Whether such a file is one of them is found out by reading it."""

_UNREADABLE_SUFFIXES = frozenset({
    ".aac", ".ac3", ".alac", ".amr", ".ape", ".dff", ".dsf", ".dts", ".m4a", ".m4b", ".m4p", ".mka", ".mpc", ".ncw",
    ".oma", ".pcm", ".ra", ".raw", ".rcy", ".rex", ".rx2", ".tak", ".tta", ".weba", ".wma", ".wv",
})  # fmt: skip
NOT_AUDIO = "not audio"
NOT_MIDI = "not MIDI"
UNREADABLE_FORMAT = "a format that rmod does not read: convert it to WAV or FLAC"
NOT_REGULAR = "not a regular file"

# The first bytes of the formats that libsndfile recognises by them; "." stands for any byte.
_SIGNATURES = re.compile(
    rb"(?:RIFF|RIFX|RF64|BW64)....WAVE|riff\x2e\x91\xcf\x11|FORM....(?:AIFF|AIFC|8SVX|16SV)|\.snd|dns\.|caff|fLaC|OggS|ID3"
    rb"|NIST_1A|Creative Voice File|\x20paf|fap\x20|MATLAB 5\.0 MAT-file|PVF1\n|Extended Instrument:|ALawSoundFile|2BIT"
    rb"|\x64\xa3[\x01-\x04]\x00|\x00[\x01-\x04]\xa3\x64|\xf0\x7e.\x01",
    re.DOTALL,
)
_MP4_AUDIO = re.compile(rb"....ftypM4[ABP] ", re.DOTALL)
_HEAD_BYTES = 4096
# kbit/s by bit-rate index, for MPEG-1 and MPEG-2 layer III; index 0 and 15 are not used.
_MP3_BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
)
_MP3_SAMPLE_RATES = (44_100, 48_000, 32_000)


MIDI_SUFFIXES = frozenset({".mid", ".midi", ".smf", ".kar"})


def find_reason_to_skip(path: Path) -> str:
    """Return why a file is not read as audio; empty if its suffix or its first bytes are those of a readable format."""
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return ""
    try:
        head = _read_head(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if head is None:
        return NOT_REGULAR
    if _SIGNATURES.match(head) or _begins_with_mp3_frames(head):
        return ""
    is_audio = path.suffix.lower() in _UNREADABLE_SUFFIXES or _MP4_AUDIO.match(head)
    return UNREADABLE_FORMAT if is_audio else NOT_AUDIO


def find_reason_to_skip_midi(path: Path) -> str:
    """Return why a file is not read as MIDI; empty if its suffix or its first bytes are those of a MIDI file."""
    if path.suffix.lower() in MIDI_SUFFIXES and path.is_symlink():
        return ""  # what it leads to is looked at later
    try:
        head = _read_head(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if head is None:
        return NOT_REGULAR
    return "" if path.suffix.lower() in MIDI_SUFFIXES or head.startswith(b"MThd") else NOT_MIDI


def suffix_of(path: Path) -> str:
    """Return the suffix of a file for a count by suffix: ``.txt``, or ``no suffix``."""
    suffix = path.suffix.lower().encode("utf-8", "backslashreplace").decode()
    return suffix if 1 < len(suffix) <= 12 and suffix.isprintable() and " " not in suffix else "no suffix"


def _read_head(path: Path) -> bytes | None:
    """Return the first bytes of a file; None if it is not a regular file."""
    # Non-blocking: opening a named pipe would otherwise wait forever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        return os.read(descriptor, _HEAD_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _begins_with_mp3_frames(head: bytes) -> bool:
    """Return whether bytes begin with an MP3 frame and another one after it: one alone may be a coincidence."""
    length = _mp3_frame_length(head)
    return length > 0 and _mp3_frame_length(head[length:]) > 0


def _mp3_frame_length(data: bytes) -> int:
    """Return the length in bytes of the MPEG layer III frame at the beginning of some bytes; 0 if there is none."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return 0
    version, rate_index = data[1] >> 3 & 3, data[2] >> 2 & 3
    kbits = _MP3_BIT_RATES[version != 3][data[2] >> 4]
    if version == 1 or rate_index == 3 or not kbits:
        return 0
    sample_rate = _MP3_SAMPLE_RATES[rate_index] >> (0, 0, 1, 0)[version] >> (2 if version == 0 else 0)
    return (144 if version == 3 else 72) * kbits * 1000 // sample_rate + (data[2] >> 1 & 1)
