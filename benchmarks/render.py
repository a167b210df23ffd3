"""Ways to make pairs, and clocks of their stages: what `performance.py` measures and `engines_page.py` plays.

One way is a straightforward script, held against every mixture of the pipeline. Times are processor time of this one
process, all its threads added up, which other work on the machine disturbs least.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import librosa
import numpy as np
import pedalboard
import soundfile

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.effects import PEDALBOARD
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import AudioStore, trim_leading_silence
from rmod_pipeline.pipeline.jobs.context import STORE_BYTES
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import Pair, PreparedCache, Sounds, mixing, render_pairs
from rmod_pipeline.render import pair as rendering
from rmod_pipeline.shards.members import AudioStorage, encode_members
from rmod_pipeline.spec import PairId, PairSpec, Track

SAMPLE_RATE = 44_100
ALIKE_DB = -40.0
"""Largest difference between the mixtures of the script and of the pipeline, relative to the mixture."""


# ---------------------------------------------------------------------------------------------------------------------
# A straightforward script, as one would write it from the paper: it loads every file and shifts every loop when it is
# needed, works in stereo, and calls one plug-in after the other. It measures no levels and writes no MIDI.


def script_load(path: Path) -> np.ndarray:
    audio, rate = librosa.load(path, sr=None, mono=False)
    audio = np.atleast_2d(audio)
    # The pipeline's own rule, which knows offsets and channels that cancel: both must begin a sound at the same frame.
    audio = librosa.resample(trim_leading_silence(audio), orig_sr=rate, target_sr=SAMPLE_RATE)
    return np.repeat(audio, 2, axis=0) if len(audio) == 1 else audio


def script_rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(audio**2)))


def script_effect(effect: Any, audio: np.ndarray) -> np.ndarray:
    plugin: pedalboard.Plugin
    match effect.effect:
        case "gain":
            return np.asarray(audio * 10 ** (effect.gain_db / 20))
        case "level_gain":
            gain = effect.max_db - script_rms(audio) / 0.7 * (effect.max_db - effect.min_db) + effect.jitter_db
            return np.asarray(audio * 10 ** (np.clip(gain, effect.min_db, effect.max_db) / 20))
        case "equalizer":
            shapes = {
                "peak": pedalboard.PeakFilter,
                "low_shelf": pedalboard.LowShelfFilter,
                "high_shelf": pedalboard.HighShelfFilter,
            }
            bands: list[pedalboard.Plugin] = [
                shapes[b.shape](cutoff_frequency_hz=b.hz, gain_db=b.gain_db, q=b.q) for b in effect.bands
            ]
            return pedalboard.Pedalboard(bands)(audio, SAMPLE_RATE)
        case "compressor":
            plugin = pedalboard.Compressor(effect.threshold_db, effect.ratio, effect.attack_ms, effect.release_ms)
        case "pan":
            p, angle = effect.position, effect.position * np.pi / 2
            linear, power = np.array([1 - p, p]), np.array([np.cos(angle), np.sin(angle)])
            gains = {"linear": linear, "constant_power": power, "minus_4_5_db": np.sqrt(linear * power)}[effect.law]
            return np.asarray(audio * gains[:, None])
        case "limiter":
            plugin = pedalboard.Limiter(effect.threshold_db, effect.release_ms)
        case "reverb":
            plugin = pedalboard.Reverb(effect.room, effect.damping, wet_level=0.5, dry_level=0.0, width=effect.width)
        case "delay":
            plugin = pedalboard.Delay(effect.seconds, effect.feedback, mix=1.0)
        case "filter":
            shape = pedalboard.HighpassFilter if effect.passes == "high" else pedalboard.LowpassFilter
            plugin = shape(effect.hz)
        case other:
            raise ValueError(f"the script knows no effect {other}")
    return plugin(audio, SAMPLE_RATE)


def script_chain(effects: Sequence[Any], audio: np.ndarray) -> np.ndarray:
    for effect in effects:
        before = script_rms(audio)
        audio = script_effect(effect, audio)
        after = script_rms(audio)
        if effect.match_rms and after > 0:
            audio = audio * (before / after)
    return audio


def script_pair(spec: PairSpec, library: Library, out: Path) -> np.ndarray:
    """Make the pair of a spec, write its files, and return the mixture [2, frames]."""
    frames = spec.settings.frames
    targets: dict[str, np.ndarray] = {}
    tracks: list[tuple[Track, np.ndarray]] = []
    for drum in spec.drums:
        layers = []
        for layer in drum.layers:
            sound = script_load(Path(str(library.path_of(library.by_id[layer.asset]))))
            whole = sound.shape[1]
            sound = sound[:, : spec.settings.one_shot_frames] / np.abs(sound[:, : spec.settings.one_shot_frames]).max()
            if whole > spec.settings.one_shot_frames:
                sound[:, -spec.settings.one_shot_fade_frames :] *= np.linspace(1, 0, spec.settings.one_shot_fade_frames)
            layers.append(sound * layer.weight)
        one_shot = np.zeros((2, max(layer.shape[1] for layer in layers)), np.float32)
        for layer in layers:
            one_shot[:, : layer.shape[1]] += layer
        targets[drum.kind] = one_shot
        drum_audio = np.zeros((2, frames), np.float32)
        onsets = [int(np.floor(note.tick * frames / spec.settings.grid + 0.5)) for note in drum.notes]
        for note, start, end in zip(drum.notes, onsets, [*onsets[1:], frames], strict=True):
            hit = one_shot[:, : end - start] * (note.velocity + 1) / 128
            drum_audio[:, start : start + hit.shape[1]] = hit
        tracks.append((drum, drum_audio))
    for loop in spec.loops:
        audio = script_load(Path(str(library.path_of(library.by_id[loop.asset]))))[:, : spec.settings.loop_frames]
        audio = librosa.effects.pitch_shift(audio, sr=SAMPLE_RATE, n_steps=loop.semitones)
        audio = librosa.util.fix_length(audio, size=loop.period_frames, axis=1)
        tracks.append((loop, np.tile(audio, math.ceil(frames / loop.period_frames))[:, :frames]))
    total = np.zeros((2, frames), np.float32)
    for track, dry in tracks:
        audio = script_chain(track.inserts, dry)
        wet = [script_chain(send.effects, audio) * 10 ** (send.level_db / 20) for send in track.sends]
        total += audio + sum(wet)
    mix = script_chain(spec.master, total)
    soundfile.write(out / f"{spec.key}.mix.wav", mix.T, SAMPLE_RATE, subtype="PCM_16")
    for kind, target in targets.items():
        soundfile.write(out / f"{spec.key}.{kind}.wav", target.T, SAMPLE_RATE, subtype="PCM_16")
    (out / f"{spec.key}.json").write_text(json.dumps(spec.to_dict()))
    return mix


# ---------------------------------------------------------------------------------------------------------------------


# The functions that ``render_pairs`` calls, by stage.
STAGES: dict[tuple[Any, str], str] = {
    (rendering, "render_one_shot"): "drum loops",
    (rendering, "render_drum_loop"): "drum loops",
    (rendering, "render_loop"): "backing loops, shifted",
    (mixing, "apply_chain"): "inserts",
    (mixing, "add_sends"): "sends",
    (mixing, "sum_tracks"): "sum and master",
    (mixing, "apply_effects"): "sum and master",
    (mixing, "_mix_fused"): "inserts, sends, sum and master together",
    (rendering, "measure_mixes"): "levels",
    (rendering, "measure_target"): "levels",
    (rendering, "_measure_track"): "levels",
}
STAGE_NAMES = ("compose", *dict.fromkeys(STAGES.values()), "encode WAV, MIDI, JSON")


@dataclass
class Clock:
    """Processor time by stage, in seconds."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - start

    @contextmanager
    def inside_render(self) -> Iterator[None]:
        """Also time the stages of ``render_pair``."""
        with ExitStack() as stack:
            for (module, name), stage in STAGES.items():
                stack.enter_context(patch.object(module, name, self._timed(getattr(module, name), stage)))
            yield

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.of(stage):
                return function(*arguments, **options)

        return timed


class Bench:
    """A recipe and a library, and several ways to make pairs from them."""

    def __init__(self, recipe: Recipe, library: Library, out: Path) -> None:
        self.recipe, self.library, self.out = recipe, library, out
        self.assets, self.settings = SplitAssets.of(recipe, library, "train"), make_settings(recipe, PEDALBOARD)

    def spec(self, index: int) -> PairSpec:
        pair_id = PairId(seed=0, split="train", index=index)
        return compose_pair(self.recipe, self.assets, self.settings, pair_id)

    def sounds(self, cache: Path) -> Sounds:
        return Sounds(AudioStore(self.library, self.recipe.sample_rate, STORE_BYTES), PreparedCache(cache))

    def pipeline(
        self, indices: Sequence[int], sounds: Sounds, clock: Clock, name: str, engine: str = PEDALBOARD
    ) -> list[tuple[PairSpec, Pair]]:
        """Make pairs as a build does, up to the bytes in the tar."""
        with clock.of(name):
            with clock.of("compose"):
                specs = [self.spec(index).with_engine(engine) for index in indices]
            pairs = render_pairs(specs, sounds, keep_tracks=False)
            with clock.of("encode WAV, MIDI, JSON"):
                for pair in pairs:
                    encode_members(pair, self.library, AudioStorage())
        return list(zip(specs, pairs, strict=True))


def check_alike(pair: Pair, mix: np.ndarray) -> None:
    """Check that a mixture is that of a pair."""
    residual = difference_db(from_pcm(pair.mix), mix)
    assert residual < ALIKE_DB, f"{pair.spec.key}: {residual:.1f} dB apart"


def difference_db(one: np.ndarray, other: np.ndarray) -> float:
    """Return the RMS of the difference in dB relative to the RMS of the first."""
    return 20 * math.log10(max(script_rms(one - other), 1e-9) / max(script_rms(one), 1e-9))


def spread(values: Sequence[float], form: str) -> str:
    """Return the median, the minimum and the maximum as text."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} .. {max(values):{form}})"
