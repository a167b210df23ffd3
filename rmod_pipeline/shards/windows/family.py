"""Define what families of tokens and of features share: they are computed from windows of the pairs' sounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rmod_pipeline.audio import Pcm
from rmod_pipeline.codec import count_frames, fit_window, mix_to_mono, target_frames
from rmod_pipeline.codec.window import AudioWindow
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import encode_fingerprint, fingerprint_digest, refuse_differences
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import publish_new


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFamily(ABC):
    """What is computed from the windows of a data set's sounds in one way, with the file that describes it."""

    top: ClassVar[str]
    """The folder of all families of this sort, which is also the word for their content: tokens, features."""

    build: str
    """Digest of build.json."""
    windows: Mapping[str, int]
    """Window in frames by sound, in the order of members: mix 345, kick 90, ..."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name with a short hash, such as ``mini-1a2b3c4d``."""

    @property
    @abstractmethod
    def hop(self) -> int:
        """Samples per frame."""

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Samples per second of the sounds."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the content of the file that describes the family."""

    @abstractmethod
    def path(self, layout: Layout) -> Location:
        """Return the path of the file that describes the family."""

    @abstractmethod
    def read_stored(self, out: Location) -> WindowFamily:
        """Read the family of this name in a data set. Raises ShardError."""

    @property
    def folder(self) -> str:
        """The family's name in paths and receipts, such as ``tokens/mini-1a2b3c4d``."""
        return f"{self.top}/{self.name}"

    def digest(self) -> str:
        """Return the SHA-256 of the file that describes the family."""
        return fingerprint_digest(self.to_dict())

    def members(self) -> list[str]:
        """Return the suffixes of a pair's files, which are the same for every pair, in the order of the tar."""
        return [*(f"{sound}.npy" for sound in self.windows), "json"]

    def window(self, sounds: Mapping[str, Pcm]) -> dict[str, AudioWindow]:
        """Return the windows of a pair's sounds. ``sounds``: 16-bit, each [channels, samples]."""
        return {sound: self.window_of(sound, sounds[sound]) for sound in self.windows}

    def window_of(self, sound: str, pcm: Pcm) -> AudioWindow:
        """Return the window of one sound. ``pcm``: 16-bit [channels, samples]."""
        return fit_window(mix_to_mono(pcm), self.windows[sound], self.hop)


def list_windows(recipe: Recipe, hop: int) -> dict[str, int]:
    """Return the windows of a recipe's sounds in frames of ``hop`` samples, in the order of members."""
    chosen = {kind: drum.token_frames for kind, drum in recipe.drums.items() if drum.token_frames}
    targets = {kind: target_frames(kind, chosen) for kind in recipe.targets}
    return {MIX: count_frames(recipe.frames, hop), **targets}


def check_family(family: WindowFamily, layout: Layout) -> bool:
    """Return whether the data set has the file that describes the family; writes nothing.

    Raises BuildError if the file differs, and ShardError if it is damaged.
    """
    path = family.path(layout)
    if not path.exists():
        return False
    existing = family.read_stored(layout.out).to_dict()
    receipts = layout.receipt_folder(family.folder)
    hint = f"give the options that these {family.top} were made with, or remove {path.parent} and {receipts}"
    refuse_differences(existing, family.to_dict(), path.parent, f"{family.top} made with other options", hint)
    return True


def claim_family(family: WindowFamily, layout: Layout) -> None:
    """Write the file that describes a new family. Raises BuildError if another run has just written a different one."""
    if not publish_new(encode_fingerprint(family.to_dict()), family.path(layout), layout.drafts):
        check_family(family, layout)
