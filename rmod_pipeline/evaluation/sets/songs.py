"""Songs without truth as a test set: windows in which the ear hears most drums.

A file that cannot be used is left out and named in the results; it ends no evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.evaluation.recipe import SongsChoice
from rmod_pipeline.evaluation.sets.pairs import EvaluationItem, digest_keys
from rmod_pipeline.evaluation.systems.base import Mixture
from rmod_pipeline.extraction.listening.ear import CHUNK_FRAMES, OpenedEar, SongListener
from rmod_pipeline.extraction.listening.onsets import Hits, detect_onsets
from rmod_pipeline.extraction.listening.song import SongPart, read_mono_blocks, read_parts, song_from_file
from rmod_pipeline.extraction.listening.windows import pick_windows
from rmod_pipeline.storage.publish import file_digest

ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".m4a")


@dataclass(frozen=True, slots=True, kw_only=True)
class SongWindow:
    """A window of a song."""

    path: Path
    part: SongPart
    onsets: Mapping[str, tuple[int, ...]]
    """By kind: the samples from the start of the window at which the ear hears hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongSet:
    """Windows of songs, of which nobody knows the one-shots."""

    choice: SongsChoice
    sample_rate: int
    windows: Mapping[str, SongWindow]
    """By key."""
    excluded: tuple[tuple[str, str], ...]
    """Files that cannot be used, with the reason."""
    digest: str
    _read: dict[str, EvaluationItem] = field(default_factory=dict, compare=False, repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the windows, in order."""
        return tuple(self.windows)

    def read(self, keys: Sequence[str]) -> list[EvaluationItem]:
        """Return windows with their audio; those of the last call are remembered. Raises AssetError."""
        if set(keys) - self._read.keys():
            self._read.clear()
            for path in dict.fromkeys(self.windows[key].path for key in keys):
                own = {key: self.windows[key] for key in keys if self.windows[key].path == path}
                audio = read_parts(song_from_file(path), self.sample_rate, [window.part for window in own.values()])
                self._read.update({key: self._make_item(key, audio[window.part]) for key, window in own.items()})
        return [self._read[key] for key in keys]

    def _make_item(self, key: str, audio: Any) -> EvaluationItem:
        onsets = self.windows[key].onsets
        mixture = Mixture(key=key, audio=audio, sample_rate=self.sample_rate, onsets=onsets)
        hits = {kind: len(times) for kind, times in onsets.items()}
        # Windows of one song have the same drums, so a song stands for a kit.
        kits = dict.fromkeys(onsets, self.windows[key].path.name)
        return EvaluationItem(mixture=mixture, truths={}, kits=kits, hits=hits, audible_db={}, instruments=None)

    def read_other_names(self) -> Mapping[str, str]:
        """Return the name of each window's song without its ending, so that one answer may stand for all windows."""
        return {key: window.path.stem for key, window in self.windows.items()}

    def describe(self) -> dict[str, Any]:
        """Return what identifies the set, for the results."""
        return {
            "songs": self.choice.songs,
            "windows": len(self.windows),
            "files": len({window.path for window in self.windows.values()}),
            "excluded": [{"file": file, "reason": reason} for file, reason in self.excluded],
            "keys_sha256": digest_keys(self.keys),
            "sha256": self.digest,
        }


def open_song_set(
    choice: SongsChoice, ear: OpenedEar, most: int | None = None, on_song: Callable[[int], None] = lambda _count: None
) -> SongSet:
    """Hear the songs of a folder and choose windows. Raises UsageError if there is no song that can be used.

    most: songs, the first ones. on_song: called with 1 after each.
    """
    windows: dict[str, SongWindow] = {}
    excluded, digests = [], []
    folder = Path(choice.songs)
    paths = _list_songs(folder)[:most]
    for path in paths:
        name = str(path.relative_to(folder)) if path != folder else path.name
        try:
            windows.update(_choose_song_windows(path, name, ear, choice.windows))
            digests.append(file_digest(path))
        except RmodError as error:
            excluded.append((name, error.found))
        on_song(1)
    if not windows:
        found = f"none of {len(paths)} files can be used: {'; '.join(': '.join(each) for each in excluded[:3])}"
        raise UsageError(choice.songs, found, f"give songs of 4 s or more: {', '.join(ENDINGS)}")
    return SongSet(
        choice=choice,
        sample_rate=ear.features.sample_rate,
        windows=windows,
        excluded=tuple(excluded),
        digest=digest_keys(digests),
    )


def _list_songs(folder: Path) -> list[Path]:
    """Return the audio files below a folder by name, or the file itself. Raises UsageError."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise UsageError(folder, "no such folder of songs, and no such file", "correct `songs:`")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    if not paths:
        raise UsageError(folder, f"no songs here: no file ends in {', '.join(ENDINGS)}", "correct `songs:`")
    return paths


def _choose_song_windows(path: Path, name: str, ear: OpenedEar, count: int) -> dict[str, SongWindow]:
    """Return the windows of one song in which most drums are heard, by key. Raises the errors of its file."""
    rate, samples = ear.features.sample_rate, CHUNK_FRAMES * ear.features.hop
    listener = SongListener(ear)
    levels = detect_onsets(listener.listen(read_mono_blocks(song_from_file(path), rate)), rate)
    if levels.seconds < samples / rate:
        raise UsageError(path, f"{levels.seconds:.2f} s, a window has {samples / rate:.2f} s", "give a longer song")
    hits = {kind: listener.find_hits(kind) for kind in ear.instruments}
    times = np.concatenate([each.seconds for each in hits.values()])
    order = np.argsort(times, kind="stable")
    clarity = np.concatenate([each.clarity_db for each in hits.values()])[order]
    chosen = pick_windows(Hits(seconds=times[order], clarity_db=clarity), levels, samples / rate, count)
    windows = {}
    for position in sorted(chosen, key=lambda each: each.seconds):
        start = round(position.seconds * rate)
        onsets = {kind: _select(hits[kind], start, samples, rate) for kind in hits}
        part = SongPart(start=start, samples=samples)
        windows[f"{name}@{position.seconds:.2f}"] = SongWindow(path=path, part=part, onsets=onsets)
    return windows


def _select(hits: Hits, start: int, samples: int, rate: int) -> tuple[int, ...]:
    onsets = (round(float(second) * rate) - start for second in hits.seconds)
    return tuple(onset for onset in onsets if 0 <= onset < samples)
