"""Define the report on a data set: what was measured, what was not looked at, and which thresholds are broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = "rmod-report-1"
"""Name of the JSON format. It changes when a key changes its meaning or goes away."""

KEPT_KEYS = 5
"""Keys of pairs that a finding names."""

INDEX_ROWS, SAMPLE = "index", "sample"
"""Where a number comes from: all rows of the index, or the pairs of the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFinding:
    """One broken threshold."""

    threshold: str
    """Its key in the thresholds, such as ``clipping.mix_full_scale_share_max``."""
    limit: float
    value: float
    """The worst value that was measured."""
    found: str
    """What was found, as a sentence without the full stop."""
    keys: tuple[str, ...] = ()
    """Keys of some pairs that show it."""

    def __str__(self) -> str:
        """Return the finding as one line."""
        examples = f"; for instance {', '.join(self.keys)}" if self.keys else ""
        return f"{self.threshold}: {self.found} (threshold {self.limit:g}, measured {self.value:.4g}){examples}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """Which pairs' sounds, tokens and specs were read."""

    seed: str
    """The digest of build.json, from which the sample is drawn."""
    requested: int
    pairs: Mapping[str, int]
    """Number of pairs that were read, by split."""
    has_audio: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One outcome of a draw, or one interval of its range."""

    label: str
    expected: float
    """Share that the recipe asks for, 0..1."""
    measured: float
    """Share of the measured values, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawTest:
    """One random value of the recipe, compared with its distribution."""

    name: str
    source: str
    """``index``: all attempts of all pairs; ``sample``: the pairs of the sample."""
    test: str
    """``chi-square``, ``binomial``, ``Kolmogorov-Smirnov``, ``exact``, or ``too few`` values for a test."""
    values: int
    p_value: float
    adjusted_p_value: float
    """Corrected for the number of tests (Holm)."""
    deviation: float
    """Largest difference of shares (of cumulated shares for Kolmogorov-Smirnov), 0..1."""
    outcomes: tuple[Outcome, ...]
    """Empty for a draw with more outcomes than a reader can look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extreme:
    """One of the lowest or highest values of a level."""

    key: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSummary:
    """How one level is distributed over pairs."""

    name: str
    """Such as ``mix lufs`` or ``kick peak_dbfs``."""
    unit: str
    source: str
    count: int
    mean: float
    percentiles: Mapping[str, float]
    """Keys 5, 25, 50, 75, 95; exact to one bin of the histogram."""
    lowest: tuple[Extreme, ...]
    """The lowest value first."""
    highest: tuple[Extreme, ...]
    """The highest value first."""
    below: int
    """Number of pairs below the lower threshold."""
    above: int
    """Number of pairs above the upper threshold."""
    histogram_low: float
    histogram_step: float
    histogram: tuple[int, ...]
    """Counts of equal bins from ``histogram_low``; the first and the last hold what lies outside too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCount:
    """How often files of one sound, such as mix or kick, are equal byte for byte."""

    sound: str
    files: int
    different: int
    in_two_splits: int
    """Number of different files that are in more than one split."""
    keys: tuple[str, ...]
    """For a mixture: some pairs with the same file. For a one-shot: some with a file that is in two splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLeak:
    """Two different files of two splits that hold one sound."""

    kind: str
    first: str
    second: str
    """Keys of two pairs; or, if the library was compared, the ids of two of its sounds."""
    similarity: float
    """0..1, see ``library/audio_fingerprint.py``."""
    compared: str
    """``one-shots`` of the sample, or ``library``."""
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundComparison:
    """How much was compared by sound across splits."""

    compared: str
    """``one-shots`` of the sample, or ``library``."""
    sounds: int
    candidates: int
    """Pairs of sounds with similar fingerprints, of which the signals were compared."""
    capped_kinds: tuple[str, ...] = ()
    """Kinds with more such pairs than are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindUse:
    """How often the sounds of one kind are used in one split."""

    split: str
    kind: str
    uses: int
    sounds: int
    """Number of different sounds."""
    kits: int
    """Number of different kits; sounds without a kit count as one."""
    fewest: int
    most: int
    """Uses of the sound that is used least and most often."""
    effective_sounds: float
    """The exponential of the entropy of the uses: as many equally frequent sounds are as diverse."""
    effective_kits: float
    top: tuple[tuple[str, int], ...]
    """The ids of the most used sounds, with their uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookUse:
    """How one codebook of one codec is used by the sounds of the sample, without padding."""

    codec: str
    sound: str
    """``mix`` or the kind of a one-shot."""
    codebook: int
    """From 0, the coarsest."""
    size: int
    """Number of entries."""
    tokens: int
    used: int
    """Number of different entries that occur."""
    entropy_bits: float
    """Entropy of the entries; at most log2(size), and at most log2(tokens)."""
    keys: tuple[str, ...]
    """For all sounds together: the pairs of the sample with the fewest different entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A pair that is worth listening to."""

    key: str
    reason: str
    """Such as ``loudest mixture: −4.1 LUFS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report on a data set."""

    fingerprint: str
    """SHA-256 of build.json."""
    recipe: str
    pairs: Mapping[str, int]
    """Number of finished pairs by split."""
    attempts: int
    """Number of rows of the index: pairs and rejected attempts."""
    rejects: Mapping[str, int]
    """Number of rejected attempts by reason."""
    sample: SampleFacts
    not_checked: tuple[str, ...]
    """What was not looked at, and why, as sentences."""
    draws: tuple[DrawTest, ...]
    levels: tuple[LevelSummary, ...]
    duplicates: tuple[DuplicateCount, ...]
    comparisons: tuple[SoundComparison, ...]
    leaks: tuple[SoundLeak, ...]
    use: tuple[KindUse, ...]
    tokens: tuple[CodebookUse, ...]
    outliers: tuple[Outlier, ...]
    thresholds: Mapping[str, Mapping[str, float | None]]
    findings: tuple[ReportFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether no threshold is broken."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict of JSON types."""
        return {"format": FORMAT, "ok": self.ok, **_plain(asdict(self))}


def _plain(value: Any) -> Any:
    """Return tuples as lists, and numbers with six digits after the point, which are the same on every machine."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
