"""Vary a training sound: speed, a second layer, effects, a room, noise and a lossy codec, each drawn by name."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, db_to_gain, peak
from rmod_pipeline.classification.recipe import SoundVariation
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.compose.chain import compose_chain
from rmod_pipeline.draw import Draw
from rmod_pipeline.library.read import resample
from rmod_pipeline.render.chain import apply_effects
from rmod_pipeline.spec import Settings

ROOM_SECONDS = 0.3
"""Silence that is added after a sound for its room."""
SHORTEST_SECONDS = 0.4
"""The shortest part of a sound that is no drum. Shorter parts of a bass or a piano are like a tom."""


def vary_sound(
    sound: Mono, partner: Mono | None, draw: Draw, *, variation: SoundVariation, semitones: float, rate: int
) -> Mono:
    """Return a varied copy of a sound [samples] with a peak of 1; silence is returned as it is.

    ``partner`` may be layered under it. ``semitones``: the largest change of speed.
    """
    if not sound.any():
        return sound
    steps = (2 * draw.at("semitones").uniform() - 1) * semitones
    audio = _to_unit(resample(sound[None], rate, rate * 2.0 ** (-steps / 12)))
    if partner is not None and partner.any() and draw.at("layer").chance(variation.layer):
        gain = db_to_gain(_between(variation.layer_db, draw.at("layer_db")))
        audio = _add(audio, _to_unit(partner[None]), gain)
    settings = _settings(rate)
    audio = _to_unit(apply_effects(_to_unit(audio), compose_chain(variation.effects, draw.at("effects")), settings))
    if variation.room and draw.at("room").chance(variation.room_chance):
        audio = _add_room(audio, variation, draw, settings)
    if draw.at("noise").chance(variation.noise):
        level = db_to_gain(_between(variation.noise_db, draw.at("noise_db")))
        audio = audio + np.float32(level) * _noise(audio.shape[1], draw.at("noise_bits"))
    if draw.at("mp3").chance(variation.mp3):
        audio = _through_mp3(audio, rate)
    varied: Mono = _to_unit(audio)[0]
    return varied


def cut_part(sound: Mono, draw: Draw, rate: int) -> Mono:
    """Return a part of a sound that is no drum, from anywhere in it, of 0.4 s or more."""
    if sound.size == 0:
        return sound
    shortest = min(round(SHORTEST_SECONDS * rate), sound.size)
    start = int(draw.at("start").uniform() * (sound.size - shortest))
    # Short parts are as frequent as long ones on a logarithmic scale, as drums have lengths of that kind.
    longest = sound.size - start
    frames = round(shortest * (longest / shortest) ** draw.at("length").uniform())
    return sound[start : start + frames]


def _settings(rate: int) -> Settings:
    """Return settings that have an engine and a rate; what a mixture needs beside these has no effect on a chain."""
    return Settings(
        engine="pedalboard",
        sample_rate=rate,
        frames=rate,
        grid=1,
        one_shot_frames=1,
        one_shot_fade_frames=0,
        truncation_fade_frames=0,
        loop_frames=1,
        loop_fade_frames=0,
    )


def _add_room(audio: Audio, variation: SoundVariation, draw: Draw, settings: Settings) -> Audio:
    dry = np.pad(audio, ((0, 0), (0, round(ROOM_SECONDS * settings.sample_rate))))
    wet = apply_effects(dry, compose_chain(variation.room, draw.at("room_effects")), settings).mean(0, keepdims=True)
    return _add(dry, _to_unit(wet), db_to_gain(_between(variation.room_db, draw.at("room_db"))))


def _through_mp3(audio: Audio, rate: int) -> Audio:
    """Return the audio [1, frames] after MP3 of a low quality. The codec delays it by some milliseconds."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(
        stream,
        0.9 * audio[0],
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=0.9,
        bitrate_mode="VARIABLE",
    )
    stream.seek(0)
    decoded, _ = soundfile.read(stream, dtype="float32")
    return np.asarray(decoded, np.float32)[None]


def _noise(frames: int, draw: Draw) -> NDArray[np.float32]:
    """Return white noise [frames] between -1 and 1."""
    bits = np.array(draw.bits((frames + 3) // 4), dtype=np.uint64).view(np.uint16)[:frames]
    noise: NDArray[np.float32] = bits.astype(np.float32) / np.float32(32767.5) - np.float32(1)
    return noise


def _add(audio: Audio, other: Audio, gain: float) -> Audio:
    frames = max(audio.shape[1], other.shape[1])
    total = np.zeros((1, frames), np.float32)
    total[:, : audio.shape[1]] += audio
    total[:, : other.shape[1]] += np.float32(gain) * other
    return total


def _to_unit(audio: Audio) -> Audio:
    highest = peak(audio)
    scaled: Audio = (audio / np.float32(highest) if highest > 0 else audio).astype(np.float32)
    return scaled


def _between(limits: tuple[float, float], draw: Draw) -> float:
    return limits[0] + (limits[1] - limits[0]) * draw.uniform()
