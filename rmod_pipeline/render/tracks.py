"""Render the dry tracks: one-shots, drum loops, backing loops. DOSE paper, section IV-B."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, db_to_gain, make_room, make_silence, peak
from rmod_pipeline.library.read import resample
from rmod_pipeline.spec import Note, Settings, note_ends

FAINT_DB = -40.0
"""If the part of a one-shot that is kept is this far below its peak, it counts as silent: the hit comes later."""


def prepare_one_shot(sound: Audio, settings: Settings) -> Audio:
    """Return a sound as a layer: peak at full scale, at most ``one_shot_frames`` long, faded where it is cut.

    sound [1 or 2, frames] without leading silence. Silence stays silence, and noise long before a hit becomes silence.
    """
    cut = sound[:, : settings.one_shot_frames]
    loudest = peak(cut)
    if sound.shape[1] > settings.one_shot_frames and loudest < peak(sound) * db_to_gain(FAINT_DB):
        return np.zeros_like(cut)
    scaled = cut / np.float32(loudest) if loudest > 0 else cut.copy()
    if sound.shape[1] > settings.one_shot_frames:
        fade_out(scaled, settings.one_shot_fade_frames)
    return scaled


def change_speed(sound: Audio, semitones: float) -> Audio:
    """Return a sound [1 or 2, frames] at another speed, as in a sampler: above 0 it is faster, higher and shorter.

    At 0 semitones it is the same array.
    """
    return resample(sound, 2.0 ** (semitones / 12.0), 1.0) if semitones else sound


def mix_layers(sounds: Sequence[Audio], weights: Sequence[float]) -> Audio:
    """Return the weighted sum of one-shots [1 or 2, samples]: as long as the longest, stereo if one of them is.

    The sum stays within full scale if the peaks are at full scale and the weights add up to at most 1.
    """
    channels = max(sound.shape[0] for sound in sounds)
    frames = max(sound.shape[1] for sound in sounds)
    total = np.zeros((channels, frames), dtype=np.float32)
    for sound, weight in zip(sounds, weights, strict=True):
        total[:, : sound.shape[1]] += sound * np.float32(weight)
    return total


def scale_to_peak(audio: Audio, target_peak: float) -> Audio:
    """Return the audio scaled to a peak; silence stays silence."""
    loudest = peak(audio)
    return audio * np.float32(target_peak / loudest) if loudest > 0 else audio


def render_drum_loop(one_shot: Audio, notes: Sequence[Note], settings: Settings) -> Audio:
    """Place a one-shot at every note; a new hit cuts the hit that still sounds, and so does the end of a choked note.

    one_shot [channels, samples]; returns [channels, frames]. Velocities give amplitudes by the settings' curve. Before
    a cut the old hit fades out over ``truncation_fade_frames``; 0 is the hard cut of the paper.
    """
    loop = make_silence(len(one_shot), settings.frames)
    for note, last_tick in zip(notes, note_ends(notes, settings.grid), strict=True):
        onset, end = settings.onset(note.tick), settings.onset(last_tick)
        sounding = one_shot[:, : end - onset]
        hit = loop[:, onset : onset + sounding.shape[1]]
        np.multiply(sounding, np.float32(settings.amplitude(note.velocity)), out=hit)
        if hit.shape[1] < one_shot.shape[1] and end < settings.frames:
            fade_out(hit, settings.truncation_fade_frames)
    return loop


def fade_out(audio: Audio, frames: int) -> None:
    """Fade out the last ``frames`` frames linearly, in place; fewer if the audio is shorter."""
    frames = min(frames, audio.shape[1])
    _scale_part(audio, audio.shape[1] - frames, _make_ramp(1.0, 0.0, frames))


def fade_in(audio: Audio, frames: int) -> None:
    """Fade in the first ``frames`` frames linearly, in place; fewer if the audio is shorter."""
    _scale_part(audio, 0, _make_ramp(0.0, 1.0, min(frames, audio.shape[1])))


def _scale_part(audio: Audio, start: int, gains: NDArray[np.float32]) -> None:
    """Multiply frames from ``start`` on by gains, in place, as far as the audio goes."""
    part = audio[:, start : start + len(gains)]
    part *= gains[: part.shape[1]]


@lru_cache(maxsize=64)
def _make_ramp(first: float, last: float, frames: int) -> NDArray[np.float32]:
    """Return the gains [frames] of a linear fade. The array is read-only, because its users share it."""
    ramp = np.linspace(first, last, frames, endpoint=True, dtype=np.float32)
    ramp.flags.writeable = False
    return ramp


def render_backing_loop(shifted: Audio, period_frames: int, settings: Settings) -> Audio:
    """Cut a loop to its period, or pad it with silence, and repeat it over the mixture.

    shifted [channels, samples]; returns [channels, frames].
    """
    frames = settings.frames
    loop = make_room(len(shifted), frames)
    period = loop[:, :period_frames]
    filled = min(shifted.shape[1], period.shape[1])
    period[:, :filled], period[:, filled:] = shifted[:, :filled], 0
    fade = min(settings.loop_fade_frames, period_frames)
    _scale_part(period, 0, _make_ramp(0.0, 1.0, fade))
    _scale_part(period, period_frames - fade, _make_ramp(1.0, 0.0, fade))
    for start in range(period_frames, frames, period_frames):
        loop[:, start : start + period_frames] = period[:, : frames - start]
    return loop
