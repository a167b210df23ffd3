"""Hear a song with the ear: the hits of each drum in the whole song, and what its one-shot sounds like in a window.

listener = SongListener(ear)
for block in listener.listen(blocks): ...       # passes the blocks of the song through
listener.find_hits("kick")                      # times, and how sure the ear is
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec.window import Mono, count_frames, fit_window
from rmod_pipeline.ear.checkpoint import FILE_NAME, SHIPPED_EAR, load_ear_model, read_ear_checkpoint
from rmod_pipeline.ear.hits import MOST_HITS, find_hit_frames, find_peaks
from rmod_pipeline.ear.model import Description, Ear, describe_levels
from rmod_pipeline.ear.spectrum import count_sound_frames
from rmod_pipeline.errors import ModelError
from rmod_pipeline.extraction.listening.onsets import Hits
from rmod_pipeline.features import LogMel

CHUNK_FRAMES = 345
"""Frames that the ear hears at once: those of the mixtures it is trained on, 4 s."""
STEP_FRAMES = 256
"""Frames of a chunk whose hits count; the others, half on each side, overlap its neighbours."""
END_FRAMES = 2
"""Frames at the end of a song in which no hit counts: nothing sounds after it, and a cut is like one."""
ODDS_DB = 10 / np.log(10)
"""Decibels per nat of log odds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEar:
    """An ear that is ready to listen."""

    model: Ear
    instruments: tuple[str, ...]
    features: LogMel
    source: Mapping[str, Any]
    """Origin of the ear: file, sha256, recipe, step."""

    def describe_windows(self, instrument: str, windows: Sequence[Mono]) -> Description:
        """Describe the one-shot of an instrument in each window [samples]: levels, embedding and expected spectrum."""
        hop = self.features.hop
        levels = self._compute_levels(windows, max(count_frames(window.size, hop) for window in windows))
        index = self.instruments.index(instrument)
        with torch.no_grad():
            heard = self.model.listen(levels)
            hits = find_hit_frames(heard.hit_logits[:, index], MOST_HITS)
            return self.model.describe(heard, hits, torch.full((len(windows),), index))

    def describe_sounds(self, instrument: str, sounds: Sequence[Mono]) -> Description:
        """Describe known one-shots [samples]: what the description of each should be."""
        size = self.model.size
        # One more frame, because a long window reaches into it.
        levels = self._compute_levels(sounds, count_sound_frames(size) + 1)
        described = describe_levels(levels, size.description_frames)
        classes = torch.full((len(sounds),), self.instruments.index(instrument))
        with torch.no_grad():
            return Description(described, self.model.embed(described, classes), self.model.place(levels, classes))

    def _compute_levels(self, sounds: Sequence[Mono], frames: int) -> Tensor:
        """Return the levels of sounds that are cut or padded to ``frames``: [n, windows, bands, frames]."""
        fitted = [fit_window(sound, frames, self.features.hop).audio for sound in sounds]
        return torch.from_numpy(np.stack([self.features.compute(sound) for sound in fitted]))


class SongListener:
    """Hear the hits of a song, in chunks that do not depend on how the song is cut into blocks."""

    def __init__(self, ear: OpenedEar) -> None:
        self._ear = ear
        self._logits: list[Tensor] = []
        """[instruments, frames] of the chunks so far, without their overlap."""

    def listen(self, blocks: Iterable[Mono]) -> Iterator[Mono]:
        """Yield the blocks [samples] of a song unchanged, and hear them; the end of the song is heard at last."""
        hop = self._ear.features.hop
        chunk, step = CHUNK_FRAMES * hop, STEP_FRAMES * hop
        lead = (CHUNK_FRAMES - STEP_FRAMES) // 2 * hop
        # Silence before the song, so that its first frame is heard like any other.
        pending = np.zeros(lead, np.float32)
        samples = 0
        for block in blocks:
            yield block
            pending, samples = np.concatenate([pending, block]), samples + block.size
            while pending.size >= chunk:
                self._hear(pending[:chunk])
                pending = pending[step:]
        frames = -(-samples // hop)
        while sum(part.shape[1] for part in self._logits) < frames:
            self._hear(_mirror(pending[:chunk], chunk))
            pending = pending[step:]
        self._cut(frames)

    def find_hits(self, instrument: str) -> Hits:
        """Return the hits of an instrument, and their odds in dB as clarity; call it after the whole song was heard."""
        logits = torch.cat(self._logits, dim=1)[self._ear.instruments.index(instrument)]
        frames = find_peaks(logits)[: max(len(logits) - END_FRAMES, 0)].nonzero()[:, 0]
        seconds = (frames.numpy().astype(np.float64) + 0.5) * self._ear.features.hop / self._ear.features.sample_rate
        return Hits(seconds=seconds, clarity_db=logits[frames].double().numpy() * ODDS_DB)

    def _hear(self, chunk: Mono) -> None:
        """Keep the log odds of the middle of a chunk."""
        levels = torch.from_numpy(self._ear.features.compute(chunk))[None]
        with torch.no_grad():
            logits = self._ear.model.listen(levels).hit_logits[0]
        first = (CHUNK_FRAMES - STEP_FRAMES) // 2
        self._logits.append(logits[:, first : first + STEP_FRAMES].clone())

    def _cut(self, frames: int) -> None:
        """Drop what was heard after the end of the song."""
        self._logits = [torch.cat([*self._logits, torch.zeros(len(self._ear.instruments), 0)], dim=1)[:, :frames]]


def _mirror(audio: Mono, samples: int) -> Mono:
    """Return audio mirrored at its last sample, up to a length, and then silence.

    If silence came at once, an abrupt end would sound like a hit, and the ear would hear all before it less well.
    """
    missing = samples - audio.size
    image = min(missing, max(audio.size - 1, 0))
    mirrored = np.pad(audio, (0, image), mode="reflect") if image else audio
    padded: Mono = np.pad(mirrored, (0, missing - image))
    return padded


def open_ear(path: Path | None = None, *, spectra: bool = True) -> OpenedEar:
    """Open an ear, given by its file or by the folder of its training; by default the one that rmod ships.

    Raises ModelError for any other file and, with ``spectra``, for an ear that expects none.
    """
    file = SHIPPED_EAR if path is None else path / FILE_NAME if path.is_dir() else path
    checkpoint = read_ear_checkpoint(file)
    if spectra and not checkpoint.recipe.model.spectrum:
        found = "expects no spectrum of a one-shot, by which sounds are picked: it is of an earlier version of rmod"
        hint = "train it again: 'rmod train ear --data OUT --out models'; or leave it out, for the ear that rmod ships"
        raise ModelError(file, found, hint)
    return OpenedEar(
        model=load_ear_model(checkpoint),
        instruments=checkpoint.recipe.instruments,
        features=checkpoint.features,
        source=checkpoint.describe_source(),
    )
