"""The fused engine: apply the chains of all tracks of several pairs together.

    mixed = mix_chains([PairChains([Chains(dry, inserts, sends), ...], master)], sample_rate)

Steps of one kind are applied to all tracks that need one next, many rows at a time. Gains, pans and RMS matches cost
nothing: a channel is a row and a gain, and two channels may share a row. A compressor or limiter whose threshold is not
reached is a gain, too.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from rmod_pipeline.audio import Audio, Pcm, gain_to_db
from rmod_pipeline.effects import EFFECTS, PEDALBOARD, Effect
from rmod_pipeline.effects.engines.fused.calls import (
    compress_all,
    echo_row,
    filter_all,
    limit_all,
    reverberate_all,
)
from rmod_pipeline.effects.engines.fused.levels import convert_channels
from rmod_pipeline.effects.engines.fused.loading import load_kernels
from rmod_pipeline.effects.engines.fused.rows import (
    Channel,
    Channels,
    Row,
    RowPool,
    TrackSum,
    add_channels,
    borrow_pool,
    find_rms,
    in_stereo,
    make_audio,
    make_channels,
    mix_audio,
    sum_all,
)
from rmod_pipeline.effects.engines.fused.steps import (
    Compression,
    Echoing,
    Filtering,
    LevelScaling,
    Limiting,
    Passing,
    Placing,
    Reverberation,
    Scaling,
    Step,
    Widening,
)

SAFE = 0.999999
"""A level that stays below this share of a threshold does not reach it, whatever is rounded."""


@dataclass(frozen=True, slots=True)
class Chains:
    """A dry track and its effects."""

    dry: Audio
    """[1 or 2, frames]."""
    inserts: Sequence[Effect]
    sends: Sequence[tuple[float, Sequence[Effect]]]
    """The linear gain and the effects of each send."""


@dataclass(frozen=True, slots=True)
class PairChains:
    """The tracks of a pair, and its master chain."""

    tracks: Sequence[Chains]
    master: Sequence[Effect]


@dataclass(frozen=True, slots=True)
class Mixed:
    """The tracks of a pair after their effects, and their sum before and after the master chain."""

    tracks: list[TrackSum]
    inserts_db: list[list[float]]
    """Measured gain of each insert."""
    total: TrackSum
    mix: Pcm
    """[2, frames]."""
    finite: bool
    """Whether all frames were, before and after the master chain."""


def mix_chains(pairs: Sequence[PairChains], sample_rate: int, *, keep_tracks: bool) -> list[Mixed]:
    """Apply the chains of all tracks of pairs, sum the tracks of each pair and apply its master chain.

    All dry tracks have equal lengths. The bits of a pair do not depend on the other pairs, which only fill lanes. The
    audio of tracks is kept if ``keep_tracks``.
    """
    load_kernels()
    pool = borrow_pool(pairs[0].tracks[0].dry.shape[1])
    inserts = [
        [_Run(make_channels(track.dry, pool), track.inserts, sample_rate, measures=True) for track in pair.tracks]
        for pair in pairs
    ]
    _run_all(list(chain.from_iterable(inserts)), pool)
    sends = [
        [
            [_Run(in_stereo(run.channels), effects, sample_rate) for _, effects in track.sends]
            for track, run in zip(pair.tracks, runs, strict=True)
        ]
        for pair, runs in zip(pairs, inserts, strict=True)
    ]
    _run_all([run for tracks in sends for runs in tracks for run in runs], pool)
    mixed = []
    for pair, dry, several in zip(pairs, inserts, sends, strict=True):
        wet = [
            TrackSum(_list_parts(*track), make_audio(2, pool) if keep_tracks else None)
            for track in zip(pair.tracks, dry, several, strict=True)
        ]
        total = sum_all(wet, pool)
        mixed.append((wet, [run.gains_db for run in dry], total, _Run(total, pair.master, sample_rate)))
    _run_all([master for *_, master in mixed], pool)
    return [
        Mixed(wet, gains_db, TrackSum([total]), *_convert(total, master.channels))
        for wet, gains_db, total, master in mixed
    ]


def _list_parts(track: Chains, dry: _Run, sends: Sequence[_Run]) -> list[Channels]:
    """Return what the sum of a track consists of: the track after its inserts, and its sends."""
    parts = [in_stereo(dry.channels)]
    for (gain, _), send in zip(track.sends, sends, strict=True):
        parts.append(tuple(channel.times(gain) for channel in in_stereo(send.channels)))
    return parts


def _convert(total: Channels, mastered: Channels) -> tuple[Pcm, bool]:
    """Return the mixture in 16 bit, and whether it was finite before and after the master chain."""
    pcm, finite = convert_channels(in_stereo(mastered))
    # The squares of numbers beyond 1e19 are infinite; such a mixture is no use either.
    return pcm, finite and all(math.isfinite(channel.row.squares) for channel in total)


def apply_one(audio: Audio, effect: Effect, sample_rate: int) -> Audio:
    """Return audio [1 or 2, frames] after one effect, without its RMS match."""
    load_kernels()
    pool = borrow_pool(audio.shape[1])
    run = _Run(make_channels(audio, pool), [effect], sample_rate, matches=False)
    _run_all([run], pool)
    return mix_audio([run.channels], pool)


class _Run:
    """A chain on its way: the channels so far, and the effects that are left."""

    def __init__(
        self,
        channels: Channels,
        effects: Sequence[Effect],
        sample_rate: int,
        *,
        measures: bool = False,
        matches: bool = True,
    ) -> None:
        self.channels, self.sample_rate = channels, sample_rate
        self.gains_db: list[float] = []
        self._left = deque((effect, self._plan(effect)) for effect in effects)
        self._measures, self._matches = measures, matches
        self._level: float | None = None
        """RMS of the channels; None if it is not known."""
        self._waits = False
        """Whether the effect that is next has to be computed."""
        self.is_alone = False
        """Whether nothing else refers to the rows of the channels."""
        self.step: Step | None = None
        """The step that is next; None for an effect with a function of its own."""

    @property
    def level(self) -> float:
        """RMS of the channels."""
        if self._level is None:
            self._level = find_rms(self.channels)
        return self._level

    @property
    def needs_levels(self) -> bool:
        """Whether the levels after the effect that is next are needed: for it, or for what follows it."""
        if self._compares:
            return True
        following = islice(
            (step for _, step in self._left if not isinstance(step, Passing | Scaling | Placing)), 1, None
        )
        return isinstance(next(following, None), LevelScaling | Compression | Limiting)

    def advance(self) -> bool:
        """Apply effects that cost nothing; return whether one is next that has to be computed."""
        while self._left and not self._waits:
            self.step = self._left[0][1]
            light = self._apply_light(self.step) if self.step is not None else None
            self._waits = light is None
            if light is not None:
                self.finish(light, is_alone=self.is_alone)
        return self._waits

    def keep_level(self) -> None:
        """Measure the level before the effect that is next, if it is compared with that after it."""
        if self._compares:
            self._level = self.level

    @property
    def _compares(self) -> bool:
        """Whether the levels before and after the effect that is next are compared."""
        return self._measures or (self._left[0][0].match_rms and self._matches)

    def finish(self, channels: Channels, *, is_alone: bool) -> None:
        """Take the channels after the effect that is next, match their RMS if it wants that, and measure its gain.

        is_alone: whether nothing else refers to their rows.
        """
        (effect, _), self._waits = self._left.popleft(), False
        self.is_alone = is_alone
        match = effect.match_rms and self._matches
        if not (match or self._measures):
            self.channels, self._level = channels, None
            return
        before, self._level, self.channels = self.level, None, channels
        after = self.level
        gain_db = 0.0
        if before > 0 and after > 0 and match:
            self.channels = tuple(channel.times(before / after) for channel in channels)
            self._level = before
            gain_db = round(gain_to_db(before / after), 3)
        elif before > 0 and after > 0:
            gain_db = round(gain_to_db(after / before), 3)
        if self._measures:
            self.gains_db.append(gain_db)

    def apply_own(self, pool: RowPool) -> None:
        """Apply the effect that is next by its own function."""
        effect, _ = self._left[0]
        audio = mix_audio([self.channels], pool)
        result = EFFECTS[effect.effect].engines[PEDALBOARD](audio, effect, self.sample_rate)
        self.finish(make_channels(result, pool), is_alone=False)

    def _plan(self, effect: Effect) -> Step | None:
        plan = EFFECTS[effect.effect].fused
        return None if plan is None else plan(effect, self.sample_rate)

    def _apply_light(self, step: Step) -> Channels | None:
        """Return the channels after a step that is a matter of gains alone; None if it has to be computed."""
        channels, light = self.channels, None
        match step:
            case Passing():
                light = channels
            case Scaling(gain):
                light = tuple(channel.times(gain) for channel in channels)
            case LevelScaling(gain_of):
                light = tuple(channel.times(gain_of(self.level)) for channel in channels)
            case Placing(to_left, to_right):
                left, right = in_stereo(channels)
                light = (left.times(to_left), right.times(to_right))
            case Widening():
                light = _widen_shared(in_stereo(channels), step)
            case Compression() if _find_peak(channels) < step.threshold * SAFE:
                light = channels
            case Limiting(first, second, gain) if (
                _find_peak(channels) < min(first.threshold, second.threshold, 1 / gain) * SAFE
            ):
                light = tuple(channel.times(gain) for channel in channels)
        return light


def _find_peak(channels: Channels) -> float:
    """Return the largest absolute frame of channels."""
    return max(channel.peak for channel in channels)


def _widen_shared(channels: Channels, step: Widening) -> Channels | None:
    """Return two channels that share a row after a change of width; None if they do not."""
    left, right = channels
    if left.row is not right.row:
        return None
    middle, side = (left.gain + right.gain) / 2, (left.gain - right.gain) / 2 * step.width
    return Channel(left.row, middle + side), Channel(left.row, middle - side)


def _run_all(runs: Sequence[_Run], pool: RowPool) -> None:
    """Apply all effects of all runs: of those that are next, the most frequent kind first."""
    waiting = runs
    while waiting := [run for run in waiting if run.advance()]:
        # Of kinds with equal counts, ``most_common`` names the one that it met first.
        ((kind, _),) = Counter(type(run.step) for run in waiting).most_common(1)
        group = [run for run in waiting if type(run.step) is kind]
        _HEAVY[kind](group, pool)


def _filter(runs: Sequence[_Run], pool: RowPool) -> None:
    """Filter channels; those that share a row still share it afterwards.

    A gain comes before the filter, as in the reference: a low filter at another gain rounds its states otherwise, which
    is most of what can differ. Only where channels share a row at two gains does it come after it.
    """
    batch = _Batch(pool)
    for run in runs:
        own = [Channel(run.channels[0].row)] if _has_two_gains(run.channels) else list(dict.fromkeys(run.channels))
        batch.add(run, own)
    results = iter(filter_all(batch.inputs, batch.steps, batch.outputs, pool, measures=_need_levels(runs)))
    for run in runs:
        if _has_two_gains(run.channels):
            row = next(results)
            run.finish(tuple(Channel(row, channel.gain) for channel in run.channels), is_alone=True)
        else:
            after = {channel: Channel(next(results)) for channel in dict.fromkeys(run.channels)}
            run.finish(tuple(after[channel] for channel in run.channels), is_alone=True)


class _Batch:
    """The channels that one kind of step is applied to, and the rows for its results."""

    def __init__(self, pool: RowPool) -> None:
        self.inputs: list[Channel] = []
        self.steps: list[Any] = []
        self.outputs: list[Row] = []
        self._pool = pool

    def add(self, run: _Run, channels: Sequence[Channel]) -> None:
        """Add channels of a run. Results are written over rows that nothing else refers to.

        Such a row costs a third less to move than one that is written elsewhere.
        """
        rows = [channel.row for channel in channels]
        if run.is_alone and len(set(rows)) == len(rows):
            run.keep_level()
        else:
            rows = [self._pool.take() for _ in rows]
        self.inputs += channels
        self.steps += [run.step] * len(channels)
        self.outputs += rows


def _need_levels(runs: Sequence[_Run]) -> bool:
    """Return whether the level is needed after the effect that is next."""
    return any(run.needs_levels for run in runs)


def _has_two_gains(channels: Channels) -> bool:
    """Return whether channels share a row, at different gains."""
    return channels[0].row is channels[-1].row and channels[0].gain != channels[-1].gain


def _level(
    apply: Callable[..., Sequence[Row]],
) -> Callable[[Sequence[_Run], RowPool], None]:
    """Return a function that compresses or limits. Its results depend on gains: equal channels are computed once."""

    def run_group(runs: Sequence[_Run], pool: RowPool) -> None:
        batch = _Batch(pool)
        for run in runs:
            batch.add(run, list(dict.fromkeys(run.channels)))
        results = iter(apply(batch.inputs, batch.steps, batch.outputs, pool, measures=_need_levels(runs)))
        for run in runs:
            after = {channel: Channel(next(results)) for channel in dict.fromkeys(run.channels)}
            run.finish(tuple(after[channel] for channel in run.channels), is_alone=True)

    return run_group


def _echo(runs: Sequence[_Run], pool: RowPool) -> None:
    for run in runs:
        step = run.step
        assert isinstance(step, Echoing)
        if step.frames < 1:
            run.finish(tuple(Channel(pool.silence) for _ in run.channels), is_alone=False)
            continue
        after = {row: echo_row(row, step, pool) for row in dict.fromkeys(channel.row for channel in run.channels)}
        run.finish(tuple(Channel(after[channel.row], channel.gain) for channel in run.channels), is_alone=True)


def _reverberate(runs: Sequence[_Run], pool: RowPool) -> None:
    sounds = [in_stereo(run.channels) for run in runs]
    steps: list[Any] = [run.step for run in runs]
    results = reverberate_all(sounds, steps, pool, runs[0].sample_rate)
    for run, (left, right) in zip(runs, results, strict=True):
        run.finish((Channel(left), Channel(right)), is_alone=True)


def _widen(runs: Sequence[_Run], pool: RowPool) -> None:
    for run in runs:
        assert isinstance(run.step, Widening)
        left, right = run.channels
        near, far = (1 + run.step.width) / 2, (1 - run.step.width) / 2
        to_left, to_right = pool.take(), pool.take()
        add_channels((left.times(near), right.times(far)), to_left.address, pool.frames)
        add_channels((left.times(far), right.times(near)), to_right.address, pool.frames)
        run.finish((Channel(to_left), Channel(to_right)), is_alone=True)


def _apply_own(runs: Sequence[_Run], pool: RowPool) -> None:
    for run in runs:
        run.apply_own(pool)


_HEAVY: dict[type, Callable[[Sequence[_Run], RowPool], None]] = {
    Filtering: _filter,
    Compression: _level(compress_all),
    Limiting: _level(limit_all),
    Echoing: _echo,
    Reverberation: _reverberate,
    Widening: _widen,
    type(None): _apply_own,
}
