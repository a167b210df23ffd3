"""Make a drum of a sound: its length, its pitch and its level become those of a usual sound of its pad.

Several lengths and pitches are tried, and the classifier decides. The first of them changes the pitch of nothing, so a
change of pitch is used only if it helps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, gain_to_db, peak
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.drum_kit.listen import Listen, rate_pad
from rmod_pipeline.curation.drum_kit.measure import (
    RATE,
    audible_samples,
    find_centre,
    loudest_seconds,
    measure_pad_loudness,
)
from rmod_pipeline.curation.drum_kit.pads import Pad
from rmod_pipeline.curation.drum_kit.results import PadCandidate, Rating, TunedCandidate, Tuning
from rmod_pipeline.curation.harvest.song import mix_to_one
from rmod_pipeline.library.hits import count_hits
from rmod_pipeline.library.read import resample
from rmod_pipeline.render.tracks import change_speed, fade_in

MOST_SEMITONES = 5.0
"""Largest change of pitch."""
PEAK_DB = -1.0
"""No sound has a higher peak, whatever the loudness of its pad."""
PRE_ROLL_SECONDS = 0.002
"""A sound begins this long before its attack, and fades in during this time."""
SHORTEST_SECONDS = 0.05

SHORT_SHARE = 0.6
"""A sound that is shorter than this share of the usual length is a poor one."""
SHORT_PER_HALVING = 0.5
"""Loss of score per halving of the length below that."""
LATE_SECONDS, LATE_PER_SECOND, MOST_LATE = 0.03, 12.0, 1.5
"""A drum is loudest within this time after its attack. Loss of score per second beyond it, and the most of it."""
SEVERAL_HITS = 1.0
"""Loss of score if several hits are heard."""

_LEAST_GAIN = 0.05
"""What a change must add to the score."""
_LONGER = 2.0
"""A sound that rings on may be this many times as long as a usual one."""
_FADED_SHARE = 0.5
"""Part of a sound that fades if it was cut while it rang."""
_SHORT_FADE_SECONDS = 0.005
_STEP_SEMITONES = 0.5


def tune_candidate(candidate: PadCandidate, pad: Pad, part: Audio, listen: Listen, *, tuned: bool) -> TunedCandidate:
    """Return a candidate as the pad plays it best.

    part [1 or 2, frames] at the rate of its file: from ``lead_frames`` before its attack on. tuned: whether pitches
    are tried.
    """
    place = candidate.place
    sound = mix_to_one(resample(part, place.sample_rate, RATE))[lead_frames(RATE) :]
    options = list(_list_tunings(sound, pad, tuned))
    sounds = [apply_tuning(part, place.sample_rate, pad, option) for option in options]
    beginnings = [mix_to_one(each.audio)[lead_frames(RATE) :] for each in sounds]
    answers = listen(beginnings)
    ratings = [
        _deduct_faults(rate_pad(pad, answer, candidate.clarity_db), pad, beginning)
        for answer, beginning in zip(answers, beginnings, strict=True)
    ]
    best = 0
    for number, rating in enumerate(ratings):
        if rating.score > ratings[best].score + _LEAST_GAIN:
            best = number
    option = options[best]
    used = min(math.ceil(option.seconds * 2 ** (option.semitones / 12) * place.sample_rate), place.frames)
    return TunedCandidate(
        pad=pad,
        found=place,
        place=replace(place, frames=used),
        tuning=option,
        rating=ratings[best],
        centre_hz=find_centre(beginnings[best]),
        embedding=answers[best].embedding,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedSound:
    """The sound of a pad."""

    audio: Audio
    """[1 or 2, samples] at 44.1 kHz."""
    gain_db: float
    """Gain relative to its file."""


def apply_tuning(part: Audio, sample_rate: int, pad: Pad, tuning: Tuning) -> TunedSound:
    """Return the sound of a pad, made of a part that begins ``lead_frames`` before its attack.

    It is as loud as the pad demands, with a peak of at most ``PEAK_DB``.
    """
    sound = change_speed(resample(part, sample_rate, RATE), tuning.semitones)
    lead = lead_frames(RATE)
    # Whatever the speed, the attack is at the same sample: the lead of a faster sound is shorter.
    own_lead = round(lead / 2 ** (tuning.semitones / 12))
    sound = np.pad(sound, ((0, 0), (max(lead - own_lead, 0), 0)))[:, max(own_lead - lead, 0) :]
    samples = lead + round(tuning.seconds * RATE)
    is_cut = sound.shape[1] > samples and audible_samples(mix_to_one(sound[:, lead:])) > samples - lead
    shaped = np.array(sound[:, :samples], np.float32)
    fade_in(shaped, lead)
    _fade_end(shaped, is_cut)
    gain_db = _find_gain(shaped, pad)
    return TunedSound(audio=shaped * np.float32(db_to_gain(gain_db)), gain_db=gain_db)


def _deduct_faults(rating: Rating, pad: Pad, sound: Mono) -> Rating:
    """Return a rating less what no classifier minds: a sound that is too short, loud too late, or several hits."""
    halvings = max(math.log2(SHORT_SHARE * pad.seconds * RATE / sound.size), 0.0)
    late = min(LATE_PER_SECOND * max(loudest_seconds(sound) - LATE_SECONDS, 0.0), MOST_LATE)
    several = SEVERAL_HITS if count_hits(sound[None], RATE) > 1 else 0.0
    return replace(rating, score=rating.score - SHORT_PER_HALVING * halvings - late - several)


def lead_frames(sample_rate: int) -> int:
    """Return how many frames before its attack a part begins."""
    return round(PRE_ROLL_SECONDS * sample_rate)


def _find_gain(audio: Audio, pad: Pad) -> float:
    """Return the gain in dB that makes a sound [1 or 2, samples] as loud as its pad, or its peak ``PEAK_DB``."""
    loudest = peak(audio)
    if not loudest > 0:
        return 0.0
    return min(pad.loudness_db - measure_pad_loudness(mix_to_one(audio)), PEAK_DB - gain_to_db(loudest))


def _list_tunings(sound: Mono, pad: Pad, tuned: bool) -> Iterator[Tuning]:
    """Yield what is tried for a sound [samples] from its attack on: first its own pitch, the usual length first."""
    audible = max(audible_samples(sound) / RATE, SHORTEST_SECONDS)
    for semitones in _list_shifts(find_centre(sound), pad) if tuned else (0.0,):
        length = audible / 2 ** (semitones / 12)
        usual = min(pad.seconds, length)
        lengths = [usual]
        if length > usual * 1.3:
            lengths.append(min(_LONGER * usual, length))
        yield from (Tuning(seconds=seconds, semitones=semitones) for seconds in lengths)


def _list_shifts(centre_hz: float, pad: Pad) -> Sequence[float]:
    """Return the changes of pitch to try: none, half and all of the way to the pad's centre, as far as allowed."""
    way = 12 * math.log2(pad.centre_hz / centre_hz)
    whole = max(-MOST_SEMITONES, min(MOST_SEMITONES, way))
    steps = (round(share * whole / _STEP_SEMITONES) * _STEP_SEMITONES for share in (0.0, 0.5, 1.0))
    return list(dict.fromkeys(step + 0.0 for step in steps))


def _fade_end(audio: Audio, is_cut: bool) -> None:
    """Fade out the end in place: by half a cosine over its second half if it was cut, else within 5 ms."""
    share = round(_FADED_SHARE * audio.shape[1]) if is_cut else round(_SHORT_FADE_SECONDS * RATE)
    samples = min(share, audio.shape[1])
    if samples:
        curve = 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, samples))
        audio[:, -samples:] *= curve.astype(np.float32)
