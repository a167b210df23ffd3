"""Cut random crops from the material, for training, and fixed ones, for validation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.audio import db_to_gain
from rmod_pipeline.draw import Draw
from rmod_pipeline.training.codec.material import Clip, Material, to_float
from rmod_pipeline.training.codec.recipe import CodecSounds

ATTACK_SHARE = 0.75
"""Share of one-shot crops that start at the attack or shortly before it; the others start anywhere."""


class Crops:
    """Random crops of a split. Crop ``i`` depends on the seed and ``i`` alone."""

    def __init__(self, material: Material, sounds: CodecSounds, seed: int) -> None:
        self.material, self.sounds = material, sounds
        self._draw = Draw.of("codec crops", seed)
        self._mixes = [clip for clip in material.clips if clip.kind == "mix"]
        kinds = sorted({clip.kind for clip in material.clips} - {"mix"})
        self._one_shots = {kind: [clip for clip in material.clips if clip.kind == kind] for kind in kinds}

    def batch(self, step: int, size: int) -> Tensor:
        """Return the crops of a step: float32 [size, 1, frames]."""
        crops = [self.crop(step * size + item) for item in range(size)]
        return torch.from_numpy(np.stack(crops)[:, None])

    def crop(self, index: int) -> np.ndarray:
        """Return crop ``index`` at a random level and polarity, without clipping: float32 [frames]."""
        draw = self._draw.at(index)
        one_shot = draw.at("one-shot").chance(self.sounds.one_shot_share)
        clip = self._draw_one_shot(draw) if one_shot else draw.at("clip").pick(self._mixes)
        crop = self._cut(clip, self._draw_start(clip, one_shot, draw))
        low, high = self.sounds.gain_db
        gain = db_to_gain(low + (high - low) * draw.at("gain").uniform())
        loudest = float(np.abs(crop).max())
        sign = -1.0 if draw.at("polarity").chance(0.5) else 1.0
        return crop * np.float32(sign * min(gain, 1.0 / max(loudest, 1e-6)))

    def _draw_one_shot(self, draw: Draw) -> Clip:
        return draw.at("clip").pick(self._one_shots[draw.at("kind").pick(sorted(self._one_shots))])

    def _draw_start(self, clip: Clip, one_shot: bool, draw: Draw) -> int:
        """Return the frame of the clip where the crop starts; below 0 the crop starts with silence."""
        frames = self.sounds.crop_frames
        if one_shot and draw.at("attack").chance(ATTACK_SHARE):
            # Targets start at once; in a mixture a hit may follow some silence.
            return -draw.at("start").below(frames // 4) if draw.at("late").chance(0.5) else 0
        return draw.at("start").below(max(clip.frames - frames, 1))

    def _cut(self, clip: Clip, start: int) -> np.ndarray:
        frames = self.sounds.crop_frames
        sound = to_float(self.material.read(clip)[max(start, 0) : start + frames])
        return np.pad(sound, (max(-start, 0), frames - sound.size - max(-start, 0)))


def cut_held_out(material: Material, frames: int, count: int) -> tuple[Tensor, Tensor]:
    """Return a fixed set of mixtures and one of one-shots, spread over the split: float32 [count, 1, frames] each."""
    mixes = [clip for clip in material.clips if clip.kind == "mix" and clip.frames >= 2 * frames]
    shots = [clip for clip in material.clips if clip.kind in ("kick", "snare", "hihat")]
    return _cut_spread(material, mixes, frames, count, start=frames), _cut_spread(material, shots, frames, count, 0)


def _cut_spread(material: Material, clips: list[Clip], frames: int, count: int, start: int) -> Tensor:
    """Return at most ``count`` crops of evenly spaced clips, each from frame ``start`` on."""
    chosen = [clips[number * len(clips) // count] for number in range(min(count, len(clips)))]
    cuts = [to_float(material.read(clip)[start : start + frames]) for clip in chosen]
    return torch.from_numpy(np.stack([np.pad(cut, (0, frames - cut.size)) for cut in cuts])[:, None])
