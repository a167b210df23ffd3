"""Decode audio files to arrays, and cache the decoded sounds of a library within a memory limit.

A file is read as a whole, then hashed and decoded from the same bytes, so that the checked bytes are the decoded ones.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import REST_FRAMES, Audio, db_to_gain, peak, remove_offset, rms, to_channels
from rmod_pipeline.errors import AssetError, LibraryError, nearest, quote
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.decoder_messages import name_decoder_messages
from rmod_pipeline.library.lengths import ByteSource, cut_error, is_flac_cut, open_repaired
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.storage import Location, StorePath, read_from_cache, store_in_cache
from rmod_pipeline.storage.folders import cache_folder

Loaded = TypeVar("Loaded")

ONSET_DB = -60.0
"""A sound begins at the first frame above this level, relative to the file's peak."""

MAX_FILE_BYTES = 2**30
"""Size limit of an audio file; one hour of 16-bit stereo at 48 kHz takes two thirds of it."""

_BLOCK_FRAMES = 1 << 16
_SAMPLE_RATES = range(1_000, 768_001)
_MAX_CHANNELS = 64
_HALF = 0.5**0.5
# The channels of a part cancel each other if its mono mean has less than this share of their RMS.
_CANCELLED = 0.1

# Gains of each channel into left and right, in the order of WAVE files: front left and right, centre, low frequencies,
# back left and right, side left and right. The low-frequency channel repeats content of the others and is omitted.
_FRONT, _CENTRE, _LOW, _REAR = [(1.0, 0.0), (0.0, 1.0)], [(_HALF, _HALF)], [(0.0, 0.0)], [(_HALF, 0.0), (0.0, _HALF)]
_DOWNMIX = {
    3: _FRONT + _CENTRE,
    4: _FRONT + _REAR,
    5: _FRONT + _CENTRE + _REAR,
    6: _FRONT + _CENTRE + _LOW + _REAR,
    7: _FRONT + _CENTRE + _LOW + [(_HALF / 2, _HALF / 2)] + _REAR,
    8: _FRONT + _CENTRE + _LOW + _REAR + _REAR,
}


class UnreadFileError(AssetError):
    """The bytes that were scanned cannot be read: the file is missing, is locked, or has changed."""


class SoundTooLongError(AssetError):
    """A sound exceeds the length limit of its kind."""


class _SeekableBytes(io.BytesIO):
    """Bytes as a file that ignores seeks before its beginning: for those, libsndfile would print a traceback."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Seek like BytesIO; stay at the present position if the target is invalid."""
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSound:
    """The decoded content of an audio file."""

    audio: Audio
    """[1 or 2, frames] float32 at the file's sample rate; one channel if both are equal."""
    sample_rate: int
    channels: int
    """Number of channels in the file, before any downmix."""


def read_sound(path: Path) -> tuple[Audio, int]:
    """Return a file's sound, float32 [1 or 2, frames], and its sample rate in Hz.

    Two equal channels become one; more than two are mixed down to two. Raises AssetError if the file cannot be read,
    holds no frames, holds NaN or infinite samples, or was cut.
    """
    decoded = decode_sound(read_bytes(path), path)
    return decoded.audio, decoded.sample_rate


def read_bytes(path: Location) -> bytes:
    """Return a file's bytes. Raises AssetError unless it is a readable regular file within the size limit."""
    if isinstance(path, StorePath):
        return _fetch(path)
    try:
        # Non-blocking: a named pipe called kick.wav would otherwise block the scan forever.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise AssetError(path, "not a regular file", "remove it from the folder")
            _check_size(path, status.st_size)
            return file.read()
    except FileNotFoundError as error:
        raise UnreadFileError(path, "no such file", "put it back") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadFileError(path, f"cannot be read: {reason}", "check the file's permissions") from error


def decode_sound(data: bytes, about: object, max_seconds: float = float("inf")) -> DecodedSound:
    """Decode a file's bytes; ``about`` names the file in errors.

    Raises AssetError like ``read_sound``, and SoundTooLongError as soon as more than ``max_seconds`` are decoded.
    """
    import soundfile

    if not data:
        raise AssetError(about, "an empty file", "remove it, or fetch it again")
    source = ByteSource.of_bytes(data)
    stream = open_repaired(source, about) or _SeekableBytes(data)
    try:
        with name_decoder_messages(source, about), soundfile.SoundFile(stream) as file:
            check_header(file, about, max_seconds)
            audio = _read_blocks(file, about, max_seconds)
            check_complete(file, about, audio.shape[1])
            rate, channels = file.samplerate, file.channels
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        raise unreadable_error(error, about, source) from error
    if audio.shape[1] == 0:
        raise AssetError(about, "0 frames", "remove it, or fetch it again")
    if not np.isfinite(audio).all():
        raise AssetError(about, "NaN or infinite samples", "remove it, or export it again")
    if audio.shape[0] == 2 and np.array_equal(audio[0], audio[1]):
        audio = audio[:1]
    return DecodedSound(audio=np.ascontiguousarray(audio), sample_rate=rate, channels=channels)


def find_onset(audio: Audio) -> int:
    """Return the first frame of audio [channels, frames] above ``ONSET_DB`` relative to the peak; 0 for silence.

    A constant offset counts as silence, and so does a beginning whose channels cancel each other in mono. Scan and
    build both use this definition of leading silence.
    """
    sound = remove_offset(audio)
    onset = _find_first_loud_frame(sound)
    if sound.shape[0] == 1:
        return onset
    mono = to_channels(sound, 1)
    mono_onset = _find_first_loud_frame(mono)
    skipped = mono[:, onset:mono_onset]
    is_cancelled = skipped.shape[1] >= REST_FRAMES and rms(skipped) < _CANCELLED * rms(sound[:, onset:mono_onset])
    return mono_onset if is_cancelled else onset


def _find_first_loud_frame(audio: Audio) -> int:
    """Return the first frame above the threshold of the onset; 0 for silence."""
    threshold = np.float32(peak(audio) * db_to_gain(ONSET_DB))
    step = 4096
    for start in range(0, audio.shape[1], step):
        is_loud = (np.abs(audio[:, start : start + step]) > threshold).any(axis=0)
        if is_loud.any():
            return start + int(is_loud.argmax())
    return 0


def trim_leading_silence(audio: Audio) -> Audio:
    """Return the audio [channels, frames] from its onset on, without a constant offset; a view if it has none."""
    sound = remove_offset(audio)
    return sound[:, find_onset(sound) :]


def resample(audio: Audio, rate_from: float, rate_to: float) -> Audio:
    """Return the audio [channels, frames] at another sample rate in Hz; the same array if the rates are equal."""
    if rate_from == rate_to:
        return audio
    import soxr

    converted = soxr.resample(np.ascontiguousarray(audio.T), rate_from, rate_to, quality="HQ")
    return np.ascontiguousarray(converted.T)


class AudioStore:
    """The sounds of a library at one sample rate, decoded on first use and kept in an LRU cache of limited size.

    Thread-safe. A pickled copy starts with an empty cache.
    """

    def __init__(self, library: Library, sample_rate: int = 44_100, cache_bytes: int = 256 * 2**20) -> None:
        """Open a store that keeps at most ``cache_bytes`` of decoded audio."""
        self.library, self.sample_rate, self.cache_bytes = library, sample_rate, cache_bytes
        self._assets = {asset.id: asset for asset in library.assets}
        self._cache: OrderedDict[tuple[str, bool], Audio] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[AudioStore], tuple[Library, int, int]]:
        """Pickle the arguments only, not the cache."""
        return type(self), (self.library, self.sample_rate, self.cache_bytes)

    def read(self, asset_id: str, trim: bool = True) -> Audio:
        """Return a sound, float32 [1 or 2, frames] at the store's rate, read-only; by default without leading silence.

        Raises LibraryError for an unknown id, and AssetError if the file cannot be read or has changed since the scan.
        """
        key = (asset_id, trim)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        audio = self._prepare(self._find_asset(asset_id), trim)
        audio.flags.writeable = False
        # A view, because an array that owns its data can be made writeable again.
        audio = audio.view()
        self._add_to_cache(key, audio)
        return audio

    def verify(self, asset_id: str) -> None:
        """Raise LibraryError for an unknown id, AssetError if the file cannot be read or has changed since the scan."""
        self._load(self._find_asset(asset_id), read_verified)

    def _find_asset(self, asset_id: str) -> Asset:
        if asset_id not in self._assets:
            found = f"no sound {asset_id!r}{nearest(asset_id, self._assets)}"
            raise LibraryError(self.library.manifest, found, "use the library that the pair was built from")
        return self._assets[asset_id]

    def _load(self, asset: Asset, load: Callable[[Location, str], Loaded]) -> Loaded:
        """Return what ``load`` makes of an asset's file and its SHA-256; an error says how to mend the library."""
        path = self.library.path_of(asset)
        try:
            return load(path, asset.sha256)
        except AssetError as error:
            raise AssetError(path, error.found, repair_hint(self.library, path, error)) from error

    def _prepare(self, asset: Asset, trim: bool) -> Audio:
        path, decoded = self.library.path_of(asset), self._load(asset, decode_verified)
        # Trimmed before resampling, at the rate that the scan measured at.
        audio = trim_leading_silence(decoded.audio) if trim else remove_offset(decoded.audio)
        audio = resample(audio, decoded.sample_rate, self.sample_rate)
        if audio.shape[1] == 0:
            raise AssetError(path, f"shorter than one frame at {self.sample_rate} Hz", "remove it from the library")
        # A copy, because a view would keep the trimmed frames in memory.
        return np.array(audio, dtype=np.float32, order="C")

    def _add_to_cache(self, key: tuple[str, bool], audio: Audio) -> None:
        with self._lock:
            if key in self._cache or audio.nbytes > self.cache_bytes:
                return
            self._cache[key] = audio
            self._cached_bytes += audio.nbytes
            while self._cached_bytes > self.cache_bytes:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes


def read_verified(path: Location, expected_sha256: str) -> bytes:
    """Return a file's bytes. Raises AssetError if they do not have the expected SHA-256."""
    data = _fetch(path, expected_sha256) if isinstance(path, StorePath) else read_bytes(path)
    check_unchanged(data, path, expected_sha256)
    return data


def decode_verified(path: Location, expected_sha256: str) -> DecodedSound:
    """Decode a file. Raises AssetError if its bytes do not have the expected SHA-256."""
    return decode_sound(read_verified(path, expected_sha256), path)


def check_unchanged(data: bytes, path: Location, expected_sha256: str) -> None:
    """Raise UnreadFileError if the bytes of a file do not have the expected SHA-256."""
    actual = sha256(data).hexdigest()
    if actual != expected_sha256:
        found = f"changed since the scan: sha256 {actual[:12]}..., the manifest has {expected_sha256[:12]}..."
        raise UnreadFileError(path, found, "put the old file back")


def repair_hint(library: Library, path: Location, error: AssetError) -> str:
    """Return how to mend a file of a library that cannot be used. A new scan makes another library."""
    root = library.root
    if isinstance(root, Path) and root.parent == cache_folder() and root.name.startswith(BUILTIN):
        return f"remove {path}: the next command makes it again"
    rescan = (
        f"give the command of the scan again with --previous {quote(library.manifest)}, and build into another --out"
    )
    return f"{error.hint}, or {rescan}" if isinstance(error, UnreadFileError) else rescan


def unreadable_error(error: Exception, about: object, source: ByteSource) -> AssetError:
    """Return the AssetError for an error of libsndfile: that the file was cut, or else what libsndfile says."""
    if is_flac_cut(source):
        return cut_error(about, "its last frame is incomplete")
    # Without soundfile's prefix, which contains the address of an object.
    reason = str(getattr(error, "error_string", error)).strip().removeprefix("Error : ").rstrip(".")
    found = f"not readable as audio: {reason or type(error).__name__}"
    return AssetError(about, found, "remove it, or save it again as WAV or FLAC")


def _fetch(path: StorePath, expected_sha256: str | None = None) -> bytes:
    """Return an object's bytes: from the local cache if the SHA-256 is given and cached, else from the store."""
    try:
        cached = read_from_cache(expected_sha256) if expected_sha256 else None
        if cached is not None:
            return cached
        _check_size(path, path.stat().st_size)
        data = path.read_bytes()
        store_in_cache(data)
        return data
    except FileNotFoundError as error:
        raise UnreadFileError(path, "no such object", "put it there, beside its manifest") from error


def _check_size(path: Location, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise AssetError(path, f"{size / 2**30:.1f} GiB, more than 1 GiB", "cut it into parts")


def check_header(file: object, about: object, max_seconds: float = float("inf")) -> None:
    """Raise AssetError if an open file has an invalid sample rate or too many channels, or is too long."""
    rate, channels, frames = file.samplerate, file.channels, file.frames  # type: ignore[attr-defined]
    if rate not in _SAMPLE_RATES:
        raise AssetError(about, f"a sample rate of {rate} Hz", "export it again, at 44100 Hz for instance")
    if channels > _MAX_CHANNELS:
        raise AssetError(about, f"{channels} channels", "export it again as stereo")
    _check_length(about, frames, rate, max_seconds)


def _check_length(about: object, frames: int, sample_rate: int, max_seconds: float) -> None:
    """Raise SoundTooLongError if the frames last longer than ``max_seconds``."""
    seconds = frames / sample_rate
    if seconds > max_seconds:
        found = f"too long: {seconds:.1f} s, at most {max_seconds:g} s"
        raise SoundTooLongError(about, found, "cut it, or raise the limit")


def _read_blocks(file: object, about: object, max_seconds: float) -> Audio:
    """Return [1 or 2, frames]. Reads by blocks, because a broken header may state more frames than fit into memory."""
    blocks: list[Audio] = []
    frames = 0
    while True:
        block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)  # type: ignore[attr-defined]
        if not len(block):
            break
        frames += len(block)
        _check_length(about, frames, file.samplerate, max_seconds)  # type: ignore[attr-defined]
        blocks.append(_downmix(block).T)
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0), np.float32)


def check_complete(file: object, about: object, frames: int) -> None:
    """Raise AssetError if fewer frames were read than the decoder announced.

    It only estimates the length of MP3 and Ogg files, so those are not checked.
    """
    stated_frames, container = file.frames, file.format  # type: ignore[attr-defined]
    if container not in ("MP3", "MPEG", "OGG") and frames < stated_frames:
        raise cut_error(about, f"{frames} of {stated_frames} frames")


def _downmix(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix a block [frames, channels] down to at most two channels, which are no louder than its loudest channel.

    Known layouts follow ITU-R BS.775; in other layouts odd channels go left and even channels go right.
    """
    channels = block.shape[1]
    if channels <= 2:
        return block
    matrix = np.array(_DOWNMIX.get(channels) or [(1 - i % 2, i % 2) for i in range(channels)], dtype=np.float32)
    matrix /= matrix.sum(axis=0).max()
    # Added channel by channel, because the summation order of a matrix product depends on the machine.
    return reduce(np.add, (block[:, [i]] * matrix[i] for i in range(channels)))
