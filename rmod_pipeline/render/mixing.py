"""Mix dry tracks: effects, sum, master chain. Each engine has its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, db_to_gain, to_pcm
from rmod_pipeline.effects import FUSED
from rmod_pipeline.render.chain import add_sends, apply_chain, apply_effects
from rmod_pipeline.spec import PairSpec, Settings, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedTrack:
    """A track after its inserts and sends."""

    track: Track
    audio: Audio
    """[2, frames]."""
    inserts_db: list[float]
    """Measured gain of each insert."""


@dataclass(frozen=True, slots=True)
class MixedPair:
    """The tracks of a pair, and their sum before and after the master chain."""

    tracks: list[MixedTrack]
    total: Audio
    """[2, frames]."""
    mastered: Audio
    """[1 or 2, frames]."""


DryPair = tuple[PairSpec, Sequence[Audio]]
"""A spec, and the dry audio [1 or 2, frames] of each of its tracks."""


def mix_pairs(pairs: Sequence[DryPair]) -> list[MixedPair]:
    """Mix pairs, whose settings are equal. The fused engine mixes them together; none changes the bits of another."""
    fused = [index for index, (spec, dry) in enumerate(pairs) if spec.settings.engine == FUSED and dry]
    mixed = dict(zip(fused, _mix_fused([pairs[index] for index in fused]) if fused else [], strict=True))
    return [mixed[index] if index in mixed else _mix_by_effect(*pair) for index, pair in enumerate(pairs)]


def _mix_by_effect(spec: PairSpec, dry: Sequence[Audio]) -> MixedPair:
    """Mix a pair, one effect after the other."""
    tracks = [mix_track(track, audio, spec.settings) for track, audio in zip(spec.tracks, dry, strict=True)]
    total = sum_tracks([mixed.audio for mixed in tracks], spec.settings)
    return MixedPair(tracks, total, apply_effects(total, spec.master, spec.settings))


def _mix_fused(pairs: Sequence[DryPair]) -> list[MixedPair]:
    # Compiled kernels take a second to load: only users of this engine wait for them.
    from rmod_pipeline.effects.engines.fused import engine

    chains = [
        engine.PairChains(
            [
                engine.Chains(
                    dry=audio,
                    inserts=track.inserts,
                    sends=[(db_to_gain(send.level_db), send.effects) for send in track.sends],
                )
                for track, audio in zip(spec.tracks, dry, strict=True)
            ],
            spec.master,
        )
        for spec, dry in pairs
    ]
    return [
        MixedPair(
            [
                MixedTrack(track=track, audio=audio, inserts_db=inserts_db)
                for track, audio, inserts_db in zip(spec.tracks, mixed.tracks, mixed.inserts_db, strict=True)
            ],
            mixed.total,
            mixed.mix,
        )
        for (spec, _), mixed in zip(pairs, engine.mix_chains(chains, pairs[0][0].settings.sample_rate), strict=True)
    ]


def mix_track(track: Track, dry: Audio, settings: Settings) -> MixedTrack:
    """Apply the inserts and sends to a dry track [1 or 2, frames]. A mono track stays mono until its pan."""
    wet, inserts_db = apply_chain(dry, track.inserts, settings)
    return MixedTrack(track=track, audio=add_sends(wet, track.sends, settings), inserts_db=inserts_db)


def sum_tracks(tracks: list[Audio], settings: Settings) -> Audio:
    """Return the sum of stereo tracks [2, frames]; silence for no tracks."""
    total = np.zeros((2, settings.frames), dtype=np.float32)
    for track in tracks:
        total += track
    return total


def open_converter(engine: str) -> Callable[[Audio], Pcm]:
    """Return the function that rounds float audio [2, frames] to 16 bit; the fused engine is faster at the same."""
    if engine != FUSED:
        return to_pcm
    from rmod_pipeline.effects.engines.fused.levels import convert_to_pcm

    return convert_to_pcm
