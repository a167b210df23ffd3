"""Decide where a hit begins and ends in its song, and cut it.

    cuts = plan_cuts(frames, levels, song_frames, max_seconds=3.0)
    audio = cut_sound(part, cut, gain=1.0)             # part: the song from cut.start to cut.stop

A cut begins 1 ms before the attack and ends at the first of four: 2 ms before the next attack, where the hit has
decayed by 60 dB, after ``max_seconds``, or at the end of the song. It fades in before the attack, and fades out at its
end; between the fades its samples are those of the song, times the gain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, db_to_gain, peak
from rmod_pipeline.curation.harvest.results import Cut, SongLevels

LEAD_SECONDS = 0.001
"""Time from the beginning of a cut to the attack."""
GUARD_SECONDS = 0.002
"""Time from the end of a cut to the next attack, because an attack is found to within a millisecond."""
ATTACK_SECONDS = 0.05
"""A hit is loudest within this time from its attack on."""
DECAYED_DB = 60.0
"""A hit that has decayed by this much is over."""

_FADE_OUT_SECONDS = 0.01
_MOST_FADED = 0.25
"""Largest part of a cut that fades out."""


def plan_cuts(
    attacks: Sequence[int] | NDArray[np.int64], levels: SongLevels, frames: int, max_seconds: float
) -> list[Cut]:
    """Return the cut of every attack (frames, ascending) of a song of ``frames`` frames."""
    rate = levels.sample_rate
    guard, longest = max(1, round(GUARD_SECONDS * rate)), max(1, round(max_seconds * rate))
    cuts = []
    for attack, following in zip(attacks, [*attacks[1:], frames + guard], strict=True):
        latest = max(min(int(following) - guard, int(attack) + longest, frames), int(attack) + 1)
        stop = min(latest, _find_decay(levels, int(attack), latest))
        cuts.append(_make_cut(int(attack), stop, rate))
    return cuts


def cut_sound(part: Audio, cut: Cut, gain: float = 1.0) -> Audio:
    """Return the sound [channels, frames] of a cut, faded; ``part``: the song's samples from its start to its stop."""
    sound = part * np.float32(gain)
    if cut.fade_in:
        sound[:, : cut.fade_in] *= _rise(cut.fade_in)
    if cut.fade_out:
        sound[:, -cut.fade_out :] *= _rise(cut.fade_out)[::-1]
    return sound


def peak_gain(part: Audio, peak_db: float | None) -> float:
    """Return the gain that brings the peak of a sound to a level; 1 without a level, and for silence."""
    largest = peak(part)
    return db_to_gain(peak_db) / largest if peak_db is not None and largest > 0 else 1.0


def hops_within(levels: SongLevels, start: int, stop: int) -> slice:
    """Return the hops that lie completely within frames; the one around them if there is none."""
    first, last = -(-max(start, 0) // levels.hop), max(stop, 0) // levels.hop
    if last <= first:
        first = min(max(start, 0) // levels.hop, max(levels.wave.size - 1, 0))
        last = first + 1
    return slice(first, last)


def _find_decay(levels: SongLevels, attack: int, latest: int) -> int:
    """Return the frame from which on a hit stays 60 dB below its loudest hop; ``latest`` if it does not before it."""
    hops = hops_within(levels, attack, latest)
    wave = levels.wave[hops]
    attack_hops = max(1, round(ATTACK_SECONDS * levels.sample_rate / levels.hop))
    loudest = float(wave[:attack_hops].max(initial=0.0))
    audible = np.flatnonzero(wave > loudest * 10 ** (-DECAYED_DB / 10))
    if not audible.size or audible[-1] == wave.size - 1:
        return latest
    first: int = hops.start
    return (first + int(audible[-1]) + 1) * levels.hop


def _make_cut(attack: int, stop: int, sample_rate: int) -> Cut:
    start = max(0, attack - max(1, round(LEAD_SECONDS * sample_rate)))
    fade_out = min(round(_FADE_OUT_SECONDS * sample_rate), int(_MOST_FADED * (stop - attack)))
    return Cut(start=start, stop=stop, attack=attack, fade_in=attack - start, fade_out=fade_out)


def _rise(length: int) -> NDArray[np.float32]:
    """Return a raised cosine [length] from above 0 to below 1."""
    rise: NDArray[np.float32] = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    return rise
