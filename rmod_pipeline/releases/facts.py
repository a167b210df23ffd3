"""Define the measured facts of a finished data set, which the card and the metadata of a release are filled with.

``rmod_pipeline.releases.measuring`` reads them. A fact that nobody measured is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.spec import IMPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """The distribution of a measured number, in bins of equal width."""

    width: float
    """Of a bin, in the unit of the number."""
    counts: Mapping[int, int]
    """Values by bin, sorted. Bin ``n`` is above ``n * width``, up to and with ``(n + 1) * width``."""
    minimum: float
    mean: float
    maximum: float

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """One split of a data set."""

    name: str
    pairs: int
    hours: float
    """Length of all mixtures."""
    rejects: int
    """Attempts that were rejected and are in the index only."""
    bytes: Mapping[str, int]
    """Size of the tars by family, such as ``audio`` and ``tokens/mini-97081f86``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyFacts:
    """One family of tars: the audio, or the tokens of one codec."""

    name: str
    """Such as ``audio`` or ``tokens/mini-97081f86``: its folder."""
    members: tuple[str, ...]
    """The files of every pair by suffix, in the order of the tar, such as ``mix.wav``."""
    files: Mapping[str, tuple[str, ...]]
    """By split: the tars, as paths relative to the data set, sorted."""
    bytes: int
    """Size of all tars."""
    codec: Mapping[str, Any] | None = None
    """The fingerprint of the codec; None for audio."""
    windows: Mapping[str, int] | None = None
    """Token frames by sound, such as mix 345; None for audio."""

    @property
    def config(self) -> str:
        """The name without a slash, such as ``audio`` or ``tokens-mini-97081f86``."""
        return self.name.replace("/", "-")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SoundFacts:
    """One sound of the library that the pairs use."""

    file: str
    """The id of the sound in its library, such as ``kick/audiophob/tom-0105``."""
    kind: str
    kit: str
    """Empty if unknown."""
    group: str
    licence: str
    """Empty if unknown."""
    source: str
    """Empty if unknown."""
    sha256: str
    splits: tuple[str, ...]
    """The splits that use it, sorted. More than one is leakage."""
    uses: int
    """Number of pairs and layers that use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageFacts:
    """What was checked for leakage between splits, and what was found."""

    sounds: tuple[str, ...]
    """Files that are used in two splits, by content."""
    groups: tuple[str, ...]
    """Source groups with sounds in two splits."""
    compared_pairs: int
    """Pairs whose one-shots were compared across splits by sound; 0 if that was not done."""
    similar: tuple[str, ...]
    """One-shots of two splits that are the same sound: a line for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumFacts:
    """The mean spectrum of the one-shots of one kind, over a sample of pairs."""

    kind: str
    one_shots: int
    """Number of one-shots that were measured."""
    hz: tuple[float, ...]
    """Centres of the bands, a third of an octave each."""
    level_db: tuple[float, ...]
    """Mean power per band in dB, relative to the mean power of the one-shot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """Everything that was measured of a finished data set."""

    recipe: str
    description: str
    """The description of the recipe, empty if it has none."""
    recipe_text: str
    """The whole recipe as YAML, with every default filled in."""
    fingerprint: str
    """SHA-256 of build.json."""
    library_digest: str
    library_sounds: int
    """Sounds in the library, used or not."""
    rmod: str
    """The version of rmod that describes the data set."""
    versions: Mapping[str, str]
    """Versions that decide the bytes, ``rmod output`` first."""
    seed: int
    sample_rate: int
    seconds: float
    """Length of a mixture."""
    engine: str
    audio_format: str
    """wav or flac."""
    targets: tuple[str, ...]
    """Kinds of the one-shots that belong to each pair, in order."""
    drums: tuple[str, ...]
    loops: tuple[str, ...]
    splits: tuple[SplitFacts, ...]
    families: tuple[FamilyFacts, ...]
    """Audio first, if it is kept; then tokens by name."""
    index: Mapping[str, tuple[str, ...]]
    """By split: the files of the index, as paths relative to the data set."""
    sounds: tuple[SoundFacts, ...]
    """Every sound in use, sorted by file."""
    levels: Mapping[str, Histogram]
    """Of the mixtures: lufs, peak_dbfs, rms_dbfs, side_mid_db, full_scale_share."""
    durations: Mapping[str, Histogram]
    """Seconds of the one-shots, by kind."""
    audibility: Mapping[str, Histogram]
    """Decibels of each target's track against the mixture, by kind."""
    hits: Mapping[str, Mapping[int, int]]
    """By drum: pairs by their number of hits."""
    layers: Mapping[str, Mapping[int, int]]
    """By drum: pairs by the number of sounds that are layered."""
    instruments: Mapping[str, int]
    """Pairs that hold each drum or loop."""
    semitones: Mapping[str, Mapping[int, int]]
    """By loop: pairs by its shift in pitch."""
    rejects: Mapping[str, int]
    """Rejected attempts by reason."""
    leakage: LeakageFacts
    spectra: tuple[SpectrumFacts, ...]
    """Empty where no audio is kept."""
    spectrum_pairs: int
    """Pairs whose one-shots the spectra are measured on."""

    @property
    def is_imported(self) -> bool:
        """Whether the pairs came from files, and nothing in them was drawn or rendered."""
        return self.engine == IMPORTED

    @property
    def pairs(self) -> int:
        """The number of pairs in all splits."""
        return sum(split.pairs for split in self.splits)

    @property
    def hours(self) -> float:
        """The length of all mixtures."""
        return sum(split.hours for split in self.splits)

    @property
    def bytes(self) -> int:
        """The size of all tars."""
        return sum(family.bytes for family in self.families)

    def per_kit(self, kind: str) -> dict[str, int]:
        """Return the number of different sounds of a kind by kit, sorted by kit; an unknown kit is the empty name."""
        kits = sorted(sound.kit for sound in self.sounds if sound.kind == kind)
        return {kit: kits.count(kit) for kit in dict.fromkeys(kits)}

    def per_licence(self) -> dict[str, int]:
        """Return the number of different sounds by licence, sorted; an unknown licence is the empty name."""
        licences = sorted(sound.licence for sound in self.sounds)
        return {licence: licences.count(licence) for licence in dict.fromkeys(licences)}
