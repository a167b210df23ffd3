"""A system whose answers were made by anyone's program: a folder with ``KEY.kick.wav``, or ``kick/KEY.wav``.

KEY is the key of a pair, such as ``test-00000003``, or the name that an imported pair had in its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.audio import to_channels
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import AssetError, UsageError
from rmod_pipeline.evaluation.systems.base import Mixture, System
from rmod_pipeline.library.pairs.folder import list_pair_folder
from rmod_pipeline.library.pairs.names import MIX
from rmod_pipeline.library.read import read_sound, resample


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersFolder(System):
    """The answers of a folder. It reads a file when its answer is wanted, and keeps nothing."""

    root: Path
    paths: Mapping[tuple[str, str], str]
    """Path by key of the pair and kind, relative to the folder."""
    original_keys: Mapping[str, str]
    """The name of each imported pair in its folder, by its key."""

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the answer [samples] at the mixture's rate, of any length; None if it is missing.

        A silent answer is an answer. Two channels become their mean, as those of true one-shots do. Raises AssetError
        if it cannot be read.
        """
        path = self._find(mixture.key, kind)
        if path is None:
            return None
        try:
            audio, rate = read_sound(self.root / path)
        except AssetError as error:
            raise AssetError(self.root / path, "unreadable", "make the answer again") from error
        mono: Mono = to_channels(resample(audio, rate, mixture.sample_rate), 1)[0]
        return mono

    def _find(self, key: str, kind: str) -> str | None:
        for name in (key, self.original_keys.get(key)):
            if name is not None and (name, kind) in self.paths:
                return self.paths[name, kind]
        return None


def open_answers(root: Path, original_keys: Mapping[str, str]) -> AnswersFolder:
    """Return the answers in a folder. Opens no file of it.

    original_keys: other names of mixtures, by key; see ``read_original_keys``. Raises UsageError for a folder without
    answers.
    """
    folder = list_pair_folder(root)
    paths: dict[tuple[str, str], str] = {}
    for pair in folder.pairs:
        for sound, path in pair.sounds.items():
            if sound != MIX:
                paths[pair.name, sound] = path
                # An answer to test/0001 may be called 0001, if no folder of a split holds another 0001.
                paths.setdefault((pair.key, sound), path)
    if not paths:
        hint = "name them KEY.kick.wav, or put them into folders such as kick/KEY.wav"
        raise UsageError(root, f"no answers here ({len(folder.left_out)} other files)", hint)
    return AnswersFolder(root=root, paths=paths, original_keys=original_keys)
