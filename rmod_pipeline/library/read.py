"""Reading sounds: any file that libsndfile knows becomes one array, and a bounded store hands out prepared copies.

A file is read whole, hashed and decoded from the same bytes, so that what was checked is what is heard.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, db_to_gain, peak
from rmod_pipeline.errors import AssetError, LibraryError, nearest
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.storage import Location, StorePath, read_from_cache, store_in_cache

ONSET_DB = -60.0
"""A sound begins at the first frame that is louder than this, relative to the file's peak."""

LARGEST_FILE = 2**30
"""Bytes of a file that is read; an hour of 16-bit stereo at 48 kHz is two thirds of it."""

_BLOCK = 1 << 16
_RATES = range(1_000, 768_001)
_HALF = 0.5**0.5
_CHUNK_SIZES = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
# Writers are often wrong by a byte or a header, and a stream's length is written as the largest number there is.
_LARGEST_SLIP = 256
_SIZE_UNKNOWN = 0x7FFF_0000

# What each channel adds to left and right, in the order of WAVE files: front left and right, centre, low frequencies,
# back left and right, side left and right. The low-frequency channel repeats what the others hold, and is left out.
_FRONT, _CENTRE, _LOW, _REAR = [(1.0, 0.0), (0.0, 1.0)], [(_HALF, _HALF)], [(0.0, 0.0)], [(_HALF, 0.0), (0.0, _HALF)]
_DOWNMIX = {
    3: _FRONT + _CENTRE,
    4: _FRONT + _REAR,
    5: _FRONT + _CENTRE + _REAR,
    6: _FRONT + _CENTRE + _LOW + _REAR,
    7: _FRONT + _CENTRE + _LOW + [(_HALF / 2, _HALF / 2)] + _REAR,
    8: _FRONT + _CENTRE + _LOW + _REAR + _REAR,
}


class _Bytes(io.BytesIO):
    """Bytes as a file that a damaged header cannot send before its beginning: libsndfile would print a traceback."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a file's bytes hold."""

    audio: Audio
    """[1 or 2, frames] at the file's rate; one channel if both are equal."""
    sample_rate: int
    channels: int
    """In the file, before any downmix."""


def read_sound(path: Path) -> tuple[Audio, int]:
    """Return a file's sound, float32 [1 or 2, frames], and its rate in Hz.

    Two equal channels become one; more than two are mixed down to two. Raises AssetError for what cannot be read,
    holds no frames, holds NaN or infinite samples, or ends before its header says.
    """
    decoded = decode_sound(read_bytes(path), path)
    return decoded.audio, decoded.sample_rate


def read_bytes(path: Location) -> bytes:
    """Return a file's bytes. Raises AssetError for what is no ordinary, readable file of a sane size."""
    if isinstance(path, StorePath):
        return _fetched(path)
    try:
        # Opened without waiting: a pipe named kick.wav would otherwise hang the scan for ever.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise AssetError(path, "not an ordinary file", "remove it from the folder")
            if status.st_size > LARGEST_FILE:
                raise AssetError(path, f"{status.st_size / 2**30:.1f} GiB, more than 1 GiB", "cut it into parts")
            return file.read()
    except FileNotFoundError as error:
        raise AssetError(path, "no such file", "put it back, or scan the folder again") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AssetError(path, f"cannot be read: {reason}", "check the file's permissions") from error


def decode_sound(data: bytes, about: object, max_seconds: float = float("inf")) -> Decoded:
    """Return the sound that a file's bytes hold; ``about`` names the file in errors.

    Raises AssetError as ``read_audio`` does, and for a sound longer than ``max_seconds``, of which no more is decoded.
    """
    import soundfile

    if not data:
        raise AssetError(about, "an empty file", "remove it, or fetch it again")
    try:
        with soundfile.SoundFile(_Bytes(data)) as file:
            check_header(file, about, max_seconds)
            audio = _read_blocks(file, about, max_seconds)
            check_whole(file, about, audio.shape[1])
            rate, channels = file.samplerate, file.channels
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        raise not_readable(error, about) from error
    if audio.shape[1] == 0:
        raise AssetError(about, "0 frames", "remove it, or fetch it again")
    if not np.isfinite(audio).all():
        raise AssetError(about, "NaN or infinite samples", "remove it, or export it again")
    if audio.shape[0] == 2 and np.array_equal(audio[0], audio[1]):
        audio = audio[:1]
    return Decoded(audio=np.ascontiguousarray(audio), sample_rate=rate, channels=channels)


def onset(audio: Audio) -> int:
    """Return the frame where a sound begins: the first with any channel above ``ONSET_DB`` of the peak; 0 in silence.

    The one definition of leading silence, for the scan and for the build. Nothing is kept before that frame.
    """
    threshold = np.float32(peak(audio) * db_to_gain(ONSET_DB))
    if threshold <= 0:
        return 0
    step = 4096
    for start in range(0, audio.shape[1], step):
        loud = (np.abs(audio[:, start : start + step]) > threshold).any(axis=0)
        if loud.any():
            return start + int(loud.argmax())
    return 0


def trim_leading_silence(audio: Audio) -> Audio:
    """Return the audio from its onset on; a view, not a copy."""
    return audio[:, onset(audio) :]


def resample(audio: Audio, rate_from: float, rate_to: float) -> Audio:
    """Return the audio [channels, frames] at another rate in Hz; the same array if the rates are equal."""
    if rate_from == rate_to:
        return audio
    import soxr

    converted = soxr.resample(np.ascontiguousarray(audio.T), rate_from, rate_to, quality="HQ")
    return np.ascontiguousarray(converted.T)


class AudioStore:
    """The sounds of a library at one rate, decoded when first asked for and kept while there is room.

    Safe to share between threads; sent to another process it arrives with an empty cache.
    """

    def __init__(self, library: Library, sample_rate: int = 44_100, cache_bytes: int = 256 * 2**20) -> None:
        self.library, self.sample_rate, self.cache_bytes = library, sample_rate, cache_bytes
        self._assets = {asset.id: asset for asset in library.assets}
        self._kept: OrderedDict[tuple[str, bool], Audio] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[AudioStore], tuple[Library, int, int]]:
        return type(self), (self.library, self.sample_rate, self.cache_bytes)

    def read(self, asset_id: str, trim: bool = True) -> Audio:
        """Return a sound, float32 [1 or 2, frames] at the store's rate, read-only; by default without leading silence.

        Raises LibraryError for an id that is not in the library, and AssetError for a file that cannot be read or is
        not the one that was scanned.
        """
        key = (asset_id, trim)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        audio = self._prepared(self._asset(asset_id), trim)
        audio.flags.writeable = False
        # A view of it, because an array's owner could make it writeable again.
        audio = audio.view()
        self._keep(key, audio)
        return audio

    def _asset(self, asset_id: str) -> Asset:
        if asset_id not in self._assets:
            found = f"no sound {asset_id!r}{nearest(asset_id, self._assets)}"
            raise LibraryError(self.library.manifest, found, "use the library that the pair was built from")
        return self._assets[asset_id]

    def _prepared(self, asset: Asset, trim: bool) -> Audio:
        path = self.library.path_of(asset)
        decoded = decode_unchanged(path, asset.sha256)
        # Trimmed at the file's own rate, where the scan looked too.
        audio = trim_leading_silence(decoded.audio) if trim else decoded.audio
        audio = resample(audio, decoded.sample_rate, self.sample_rate)
        if audio.shape[1] == 0:
            raise AssetError(path, f"shorter than one frame at {self.sample_rate} Hz", "remove it from the library")
        # A view would keep what was trimmed away in memory.
        return np.array(audio, dtype=np.float32, order="C")

    def _keep(self, key: tuple[str, bool], audio: Audio) -> None:
        with self._lock:
            if key in self._kept or audio.nbytes > self.cache_bytes:
                return
            self._kept[key] = audio
            self._kept_bytes += audio.nbytes
            while self._kept_bytes > self.cache_bytes:
                self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes


def decode_unchanged(path: Location, expected_sha256: str) -> Decoded:
    """Return a file's sound. Raises AssetError if its bytes are not those that were scanned."""
    data = _fetched(path, expected_sha256) if isinstance(path, StorePath) else read_bytes(path)
    found = sha256(data).hexdigest()
    if found != expected_sha256:
        detail = f"changed since the scan: sha256 {found[:12]}..., the manifest has {expected_sha256[:12]}..."
        raise AssetError(path, detail, "put the old file back, or run `rmod library scan` again with --previous")
    return decode_sound(data, path)


def not_readable(error: Exception, about: object) -> AssetError:
    """Return the error for what libsndfile cannot read."""
    # Without soundfile's prefix, which holds the address of an object.
    reason = str(getattr(error, "error_string", error)).strip().removeprefix("Error : ").rstrip(".")
    found = f"not readable as audio: {reason or type(error).__name__}"
    return AssetError(about, found, "remove it, or save it again as WAV or FLAC")


def _fetched(path: StorePath, expected_sha256: str | None = None) -> bytes:
    """Return an object's bytes: from the cache, if what they must be is known and they are there."""
    try:
        kept = read_from_cache(expected_sha256) if expected_sha256 else None
        if kept is not None:
            return kept
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise AssetError(path, f"{size / 2**30:.1f} GiB, more than 1 GiB", "cut it into parts")
        data = path.read_bytes()
        store_in_cache(data)
        return data
    except FileNotFoundError as error:
        raise AssetError(path, "no such object", "put it there, beside its manifest") from error


def check_header(file: object, about: object, max_seconds: float = float("inf")) -> None:
    """Raise AssetError for an opened file with a rate or channels that no sound has, or that is too long."""
    rate, channels, frames = file.samplerate, file.channels, file.frames  # type: ignore[attr-defined]
    if rate not in _RATES:
        raise AssetError(about, f"a sample rate of {rate} Hz", "export it again, at 44100 Hz for instance")
    if channels > 64:
        raise AssetError(about, f"{channels} channels", "export it again as stereo")
    if frames / rate > max_seconds:
        raise too_long(about, frames / rate, max_seconds)


def too_long(about: object, seconds: float, max_seconds: float) -> AssetError:
    """Return the error for a sound that is longer than its kind may be."""
    return AssetError(about, f"too long: {seconds:.1f} s, at most {max_seconds:g} s", "cut it, or raise the limit")


def _read_blocks(file: object, about: object, max_seconds: float) -> Audio:
    """Return [1 or 2, frames]. By blocks, because a broken header may promise more frames than there is memory for."""
    limit = max_seconds * file.samplerate  # type: ignore[attr-defined]
    blocks: list[Audio] = []
    frames = 0
    while True:
        block = file.read(_BLOCK, dtype="float32", always_2d=True)  # type: ignore[attr-defined]
        if not len(block):
            break
        frames += len(block)
        if frames > limit:
            raise too_long(about, frames / file.samplerate, max_seconds)  # type: ignore[attr-defined]
        blocks.append(_downmixed(block).T)
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0), np.float32)


def check_whole(file: object, about: object, frames: int) -> None:
    """Raise AssetError if the file ends early. The length that an MP3 or Ogg header gives is only an estimate."""
    promised, container, remarks = file.frames, file.format, file.extra_info  # type: ignore[attr-defined]
    if container not in ("MP3", "MPEG", "OGG") and frames < promised:
        raise AssetError(about, f"ends early: {frames} of {promised} frames", "fetch it again")
    # Of WAV and AIFF libsndfile reads what is there, and only remarks that it is less than the header says.
    for said, have in _CHUNK_SIZES.findall(remarks):
        if int(said) - int(have) > _LARGEST_SLIP and int(said) < _SIZE_UNKNOWN:
            raise AssetError(about, f"ends early: {have} of {said} bytes of sound", "fetch it again")


def _downmixed(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a block [frames, channels] with at most two channels, no louder than its loudest one.

    Known layouts are mixed as ITU-R BS.775 does; others have their odd channels left and their even channels right.
    """
    channels = block.shape[1]
    if channels <= 2:
        return block
    matrix = np.array(_DOWNMIX.get(channels) or [(1 - i % 2, i % 2) for i in range(channels)], dtype=np.float32)
    matrix /= matrix.sum(axis=0).max()
    # Summed channel by channel, because a matrix product may add in another order on another machine.
    return reduce(np.add, (block[:, [i]] * matrix[i] for i in range(channels)))
