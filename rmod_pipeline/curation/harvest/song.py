"""Read a song block by block: what it is like as a whole, its levels hop by hop, and parts of it.

    survey = survey_song(song)                       # length, offset, peak
    levels = measure_levels(song, survey)            # what onsets and isolation are found from
    for part in read_ranges(song, survey, ranges): ...    # [channels, samples] without the offset

Each function reads the song once from its beginning. Memory does not depend on its length, but for 15 MB of levels per
hour. The results do not depend on where blocks end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import REST_DB, Audio, db_to_gain
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.harvest.results import SongLevels, SongSurvey
from rmod_pipeline.extraction.listening.song import Song

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HOP_SECONDS = 128 / 44_100
HOPS_PER_FRAME = 8
"""A frame of the spectrum lasts 23 ms."""
MEL_BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 30.0, 16_000.0
RISE_HOPS = 4
"""The flux compares a frame with the one 12 ms before."""
RANGE_DB = 80.0
"""Levels of bands further below the song's peak count as silence."""

_OFFSET_SECONDS = 0.1
"""Length of a mean; the offset is the median of the means, which notes and hits hardly move."""
_FEWEST_MEANS = 4
_SURE_OFFSET = 3.0
"""An offset is this many times as large as the median deviation of the means."""
_BATCH = 256
"""Frames per Fourier transform: always the same number, so that the song's blocks affect no result."""
_LEAST_POWER = 1e-20
_LEAST_TRANSFORM = 256


def survey_song(song: Song) -> SongSurvey:
    """Return length, channels, offset and peak of a song. Raises AssetError if it cannot be decoded to its end."""
    frames, is_dual_mono = 0, song.channels == 2
    means: list[NDArray[np.float64]] = []
    least, most = np.inf, -np.inf
    for block in _split_blocks(song, max(1, round(_OFFSET_SECONDS * song.sample_rate))):
        frames += len(block)
        is_dual_mono = is_dual_mono and bool((block[:, 0] == block[:, 1]).all())
        means.append(block.mean(axis=0, dtype=np.float64))
        mono = block.mean(axis=1, dtype=np.float32)
        least, most = min(least, float(mono.min())), max(most, float(mono.max()))
    channels = 2 if song.channels == 2 and not is_dual_mono else 1
    if not frames:
        return SongSurvey(frames=0, channels=channels, offset=(0.0,) * channels, peak=0.0)
    offset = _find_offset(np.stack(means), most - least)
    if channels == 1:
        offset = offset.mean(keepdims=True)
    centre = float(offset.mean())
    return SongSurvey(
        frames=frames,
        channels=channels,
        offset=tuple(float(np.float32(value)) for value in offset),
        peak=max(most - centre, centre - least, 0.0),
    )


def _find_offset(means: NDArray[np.float64], swing: float) -> NDArray[np.float64]:
    """Return the offset of each channel [channels], given the means [blocks, channels] of a song; 0 if it has none.

    An offset that nobody measures or hears is left, so that samples stay what they are.
    """
    median = np.median(means, axis=0)
    deviation = np.median(np.abs(means - median), axis=0)
    is_offset = np.abs(median) > np.maximum(swing / 2 * db_to_gain(REST_DB), _SURE_OFFSET * deviation)
    none = np.zeros_like(median)
    return np.where(is_offset, median, none) if len(means) >= _FEWEST_MEANS else none


def measure_levels(song: Song, survey: SongSurvey) -> SongLevels:
    """Return flux and levels of the mono mix at each hop; empty for a song that is shorter than one hop."""
    rate = song.sample_rate
    hop = max(1, round(HOP_SECONDS * rate))
    flux = _FluxMeter(rate, hop, survey.peak)
    wave: list[NDArray[np.float32]] = []
    difference: list[NDArray[np.float32]] = []
    last, pending = np.zeros(1, np.float32), np.zeros(0, np.float32)
    for block in _read_mono(song, survey):
        flux.add(block)
        pending = np.concatenate([pending, block])
        whole = pending.size - pending.size % hop
        if whole:
            wave.append(_mean_squares(pending[:whole], hop))
            difference.append(_mean_squares(np.diff(pending[:whole], prepend=last), hop))
            last, pending = pending[whole - 1 : whole], pending[whole:]
    empty = np.zeros(0, np.float32)
    hops = survey.frames // hop
    return SongLevels(
        sample_rate=rate,
        hop=hop,
        flux=flux.finish()[:hops],
        wave=np.concatenate([empty, *wave]),
        difference=np.concatenate([empty, *difference]),
    )


def read_ranges(song: Song, survey: SongSurvey, ranges: Sequence[tuple[int, int]]) -> Iterator[Audio]:
    """Yield the samples of each range (start, stop) of frames, in the order of the list, which ascends by start.

    Each is [channels, frames] float32 without the song's offset, shorter at the ends of the song. Only what the
    ranges in work need is kept in memory, and nothing after the last range is read. Raises ValueError for ranges that
    do not ascend.
    """
    if any(first[0] > second[0] for first, second in pairwise(ranges)):
        raise ValueError("the ranges do not ascend")
    kept, position, begin = np.zeros((survey.channels, 0), np.float32), 0, 0
    blocks = _read_channels(song, survey)
    for start, stop in ranges:
        parts = [kept]
        while position < stop and (block := next(blocks, None)) is not None:
            position += block.shape[1]
            parts.append(block)
            if position <= start:  # nothing of it is needed any more
                parts = [block]
        kept = np.concatenate(parts, axis=1)
        begin = position - kept.shape[1]
        used = max(min(start, position) - begin, 0)
        kept, begin = kept[:, used:], begin + used
        yield kept[:, : max(min(stop, position) - begin, 0)].copy()


def mix_to_one(audio: Audio) -> Mono:
    """Return the mean of the channels [channels, samples] as [samples]."""
    mono: Mono = audio[0] if audio.shape[0] == 1 else audio.mean(axis=0, dtype=np.float32)
    return mono


def _split_blocks(song: Song, length: int) -> Iterator[NDArray[np.float32]]:
    """Yield a song as blocks [length, channels], the last one shorter."""
    pending: NDArray[np.float32] | None = None
    for block in song.blocks():
        joined = block if pending is None else np.concatenate([pending, block])
        whole = len(joined) - len(joined) % length
        yield from (joined[start : start + length] for start in range(0, whole, length))
        pending = joined[whole:]
    if pending is not None and len(pending):
        yield pending


def _read_channels(song: Song, survey: SongSurvey) -> Iterator[Audio]:
    """Yield blocks [channels, frames] as sounds have them: without the offset, mono or stereo."""
    offset = np.array(survey.offset, np.float32)
    for block in song.blocks():
        if survey.channels == 2:
            samples = block
        elif song.channels == 2:
            samples = block[:, :1]  # both are equal, so nothing is rounded
        else:
            samples = block if song.channels == 1 else block.mean(axis=1, keepdims=True, dtype=np.float32)
        yield (samples - offset if offset.any() else samples).T


def _read_mono(song: Song, survey: SongSurvey) -> Iterator[Mono]:
    """Yield the mono mix without the offset: blocks [frames]."""
    for block in _read_channels(song, survey):
        yield mix_to_one(block)


def _mean_squares(samples: Mono, hop: int) -> NDArray[np.float32]:
    """Return the mean square of every hop of samples [hops * hop]."""
    hops = samples.reshape(-1, hop)
    squares: NDArray[np.float32] = np.einsum("ij,ij->i", hops, hops) / np.float32(hop)
    return squares


class _FluxMeter:
    """Measure the spectral flux of a song that is added block by block.

    The flux of a hop is the mean over the mel bands of how much their levels have risen in 12 ms, in dB. A band is
    compared with the loudest of itself and its two neighbours, so that a pitch that glides is no rise (Böck and Widmer,
    "Maximum filter vibrato suppression for onset detection", DAFx 2013).
    """

    def __init__(self, sample_rate: int, hop: int, peak: float) -> None:
        self._hop, self._frame = hop, HOPS_PER_FRAME * hop
        # At very low rates, longer than the frame asks for, so that every band has a bin.
        self._transform = max(1 << (2 * self._frame - 1).bit_length(), _LEAST_TRANSFORM)
        window = np.hanning(self._frame + 1)[:-1]
        self._window = (window * 2 / window.sum()).astype(np.float32) if self._frame > 1 else np.ones(1, np.float32)
        self._filters = _mel_weights(sample_rate, self._transform)
        self._floor = 20 * np.log10(max(peak, 1e-9)) - RANGE_DB
        self._pending = np.zeros(self._frame // 2, np.float32)
        self._before: NDArray[np.float32] | None = None
        """[RISE_HOPS, bands]: the last levels."""
        self._parts: list[NDArray[np.float32]] = []

    def add(self, block: Mono) -> None:
        """Measure the hops whose frames are complete."""
        self._pending = np.concatenate([self._pending, block])
        step = _BATCH * self._hop
        while self._pending.size >= step + self._frame:
            self._measure(self._pending[: step + self._frame - self._hop])
            self._pending = self._pending[step:]

    def finish(self) -> NDArray[np.float32]:
        """Return the flux of all hops [hops], with silence after the end of the song."""
        step = _BATCH * self._hop
        self._pending = np.pad(self._pending, (0, self._frame))
        while self._pending.size >= self._frame:
            self._measure(self._pending[: step + self._frame - self._hop])
            self._pending = self._pending[step:]
        return np.concatenate([np.zeros(0, np.float32), *self._parts])

    def _measure(self, samples: Mono) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._frame)[:: self._hop]
        spectrum = np.fft.rfft(frames * self._window, self._transform, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        mel = (self._filters @ power.T.astype(np.float32)).T
        levels = np.maximum(10 * np.log10(np.maximum(mel, _LEAST_POWER)), self._floor).astype(np.float32)
        if self._before is None:
            self._before = np.full((RISE_HOPS, levels.shape[1]), self._floor, np.float32)
        joined = np.concatenate([self._before, levels])
        wide = np.pad(joined[:-RISE_HOPS], ((0, 0), (1, 1)), mode="edge")
        loudest = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
        self._parts.append(np.maximum(joined[RISE_HOPS:] - loudest, 0).mean(axis=1, dtype=np.float32))
        self._before = joined[-RISE_HOPS:]


@cache
def _mel_weights(sample_rate: int, transform: int) -> csr_array:
    """Return the weights of each band: [MEL_BANDS, transform // 2 + 1].

    Sparse, because its product adds in one order whatever the number of threads.
    """
    import librosa
    from scipy.sparse import csr_array

    highest = min(HIGHEST_HZ, sample_rate / 2)
    filters = librosa.filters.mel(
        sr=sample_rate, n_fft=transform, n_mels=MEL_BANDS, fmin=LOWEST_HZ, fmax=highest, norm=None
    )
    return csr_array(filters.astype(np.float32))
