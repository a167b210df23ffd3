"""Hold what was measured against the thresholds, and choose the pairs that are worth listening to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rmod_pipeline.inspection.report.laws import TOO_FEW
from rmod_pipeline.inspection.report.records import (
    KEPT_KEYS,
    CodebookUse,
    DrawTest,
    DuplicateCount,
    KindUse,
    LevelSummary,
    Outlier,
    ReportFinding,
    SoundLeak,
)
from rmod_pipeline.inspection.report.thresholds import Thresholds
from rmod_pipeline.inspection.report.use import ALL_SOUNDS

_MEASURES = {
    # Measure: the section and the key of its threshold for a mixture, and for a one-shot.
    "lufs": ("loudness", "lufs", ""),
    "peak_dbfs": ("silence", "mix_peak_dbfs", "one_shot_peak_dbfs"),
    "full_scale_share": ("clipping", "mix_full_scale_share", ""),
    "full_scale_run": ("clipping", "mix_full_scale_run", "one_shot_full_scale_run"),
    "silent_share": ("silence", "mix_silent_share", ""),
    "onset_ms": ("silence", "", "one_shot_onset_ms"),
    "dc_dbfs": ("offset", "mix_dc_dbfs", "one_shot_dc_dbfs"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The parts of a report that have thresholds."""

    attempts: int
    rejects: int
    draws: Sequence[DrawTest]
    levels: Sequence[LevelSummary]
    duplicates: Sequence[DuplicateCount]
    leaks: Sequence[SoundLeak]
    use: Sequence[KindUse]
    tokens: Sequence[CodebookUse]
    shared_sounds: Mapping[str, Sequence[str]]
    """Files of the library that are used in several splits, by id, with some of their pairs."""
    retried: Sequence[str]
    """Some pairs that came after rejected attempts."""
    users: Mapping[tuple[str, str], Sequence[str]]
    """Some pairs with the most used sound, by split and kind, where the use is too uneven."""


def find_broken(
    measured: Measured, thresholds: Thresholds, keys_of_draw: Callable[[DrawTest], tuple[str, ...]]
) -> Iterator[ReportFinding]:
    """Yield a finding for each broken threshold, in the order of the thresholds' file.

    keys_of_draw: returns some pairs with the values of a draw that are too frequent.
    """
    yield from _check_draws(measured.draws, thresholds.draws.significance, keys_of_draw)
    yield from _check_rejects(measured, thresholds.rejects.share_max)
    yield from _check_levels(measured.levels, thresholds)
    yield from _check_duplicates(measured, thresholds)
    yield from _check_leaks(measured, thresholds)
    yield from _check_use(measured, thresholds.use.effective_share_min)
    yield from _check_tokens(measured.tokens, thresholds)


def _check_draws(
    draws: Sequence[DrawTest], significance: float | None, keys_of_draw: Callable[[DrawTest], tuple[str, ...]]
) -> Iterator[ReportFinding]:
    for test in draws:
        if significance is not None and test.test != TOO_FEW and test.adjusted_p_value < significance:
            found = f"{test.name} does not have the distribution of the recipe"
            found += f" ({test.test}, {test.values:,} values, off by up to {100 * test.deviation:.3g} %)"
            yield ReportFinding(
                threshold="draws.significance",
                limit=significance,
                value=test.adjusted_p_value,
                found=found,
                keys=keys_of_draw(test),
            )


def _check_rejects(measured: Measured, share_max: float | None) -> Iterator[ReportFinding]:
    share = measured.rejects / max(measured.attempts, 1)
    if share_max is not None and share > share_max:
        found = f"{measured.rejects:,} of {measured.attempts:,} attempts were rejected"
        yield ReportFinding(
            threshold="rejects.share_max", limit=share_max, value=share, found=found, keys=tuple(measured.retried)
        )


def _check_levels(levels: Sequence[LevelSummary], thresholds: Thresholds) -> Iterator[ReportFinding]:
    for level in levels:
        sound, _, measure = level.name.partition(" ")
        section, of_mix, of_one_shot = _MEASURES.get(measure, ("", "", ""))
        name = of_mix if sound == "mix" else of_one_shot
        if not name:
            continue
        limits = getattr(thresholds, section)
        sides = (("min", level.below, level.lowest, "below"), ("max", level.above, level.highest, "above"))
        for side, count, extremes, word in sides:
            if count > limits.outside_share_max * level.count:
                limit = getattr(limits, f"{name}_{side}")
                plural = "is" if count == 1 else "are"
                found = f"{level.name} of {count:,} of {level.count:,} pairs {plural} {word} {limit:g} {level.unit}"
                yield ReportFinding(
                    threshold=f"{section}.{name}_{side}",
                    limit=limit,
                    value=extremes[0].value,
                    found=found.rstrip(),
                    keys=tuple(extreme.key for extreme in extremes[:count]),
                )


def _check_duplicates(measured: Measured, thresholds: Thresholds) -> Iterator[ReportFinding]:
    most = thresholds.duplicates.mixes_max
    for count in measured.duplicates:
        equal = count.files - count.different
        if count.sound == "mix" and most is not None and equal > most:
            found = f"{equal:,} of {count.files:,} mixtures equal another one byte for byte"
            yield ReportFinding(
                threshold="duplicates.mixes_max", limit=most, value=equal, found=found, keys=count.keys[:KEPT_KEYS]
            )


def _check_leaks(measured: Measured, thresholds: Thresholds) -> Iterator[ReportFinding]:
    limits, shared = thresholds.leakage, measured.shared_sounds
    if limits.sounds_max is not None and len(shared) > limits.sounds_max:
        found = f"{len(shared)} files of the library are used in two splits, {next(iter(shared))} for instance"
        keys = tuple(dict.fromkeys(key for keys in shared.values() for key in keys))[:KEPT_KEYS]
        yield ReportFinding(
            threshold="leakage.sounds_max", limit=limits.sounds_max, value=len(shared), found=found, keys=keys
        )
    for count in measured.duplicates:
        if count.sound != "mix" and limits.one_shots_max is not None and count.in_two_splits > limits.one_shots_max:
            found = f"{count.in_two_splits:,} files of a {count.sound} are the same in two splits"
            yield ReportFinding(
                threshold="leakage.one_shots_max",
                limit=limits.one_shots_max,
                value=count.in_two_splits,
                found=found,
                keys=count.keys[:KEPT_KEYS],
            )
    yield from _check_near_duplicates(measured.leaks, limits.near_duplicates_max)


def _check_near_duplicates(leaks: Sequence[SoundLeak], most: int | None) -> Iterator[ReportFinding]:
    by_kind: dict[tuple[str, str], list[SoundLeak]] = defaultdict(list)
    for leak in leaks:
        by_kind[leak.compared, leak.kind].append(leak)
    if most is None or len(leaks) <= most:
        return
    for (compared, kind), found_leaks in by_kind.items():
        best = max(found_leaks, key=lambda leak: leak.similarity)
        what = f"{kind} {compared}" if compared == "one-shots" else f"{kind} files of the library"
        number = "two" if len(found_leaks) == 1 else f"{len(found_leaks):,} pairs of"
        found = f"{number} {what} are one sound in two splits: {best.first} and {best.second}"
        found += f" have a similarity of {best.similarity:.3f}"
        keys = tuple(dict.fromkeys(key for leak in (best, *found_leaks) for key in leak.keys))[:KEPT_KEYS]
        yield ReportFinding(
            threshold="leakage.near_duplicates_max", limit=most, value=len(found_leaks), found=found, keys=keys
        )


def list_uneven(use: Iterable[KindUse], share_min: float | None) -> list[KindUse]:
    """Return the kinds whose sounds are used less evenly than a threshold allows."""
    return [] if share_min is None else [each for each in use if each.effective_sounds / each.sounds < share_min]


def _check_use(measured: Measured, share_min: float | None) -> Iterator[ReportFinding]:
    for each in list_uneven(measured.use, share_min):
        found = f"the {each.sounds} {each.kind} sounds of {each.split} are as diverse as {each.effective_sounds:.1f}"
        found += f" that are used equally often; {each.top[0][0]} has {each.most:,} of {each.uses:,} uses"
        yield ReportFinding(
            threshold="use.effective_share_min",
            limit=share_min or 0.0,
            value=each.effective_sounds / each.sounds,
            found=found,
            keys=tuple(measured.users.get((each.split, each.kind), ()))[:KEPT_KEYS],
        )


def _check_tokens(tokens: Sequence[CodebookUse], thresholds: Thresholds) -> Iterator[ReportFinding]:
    limits = thresholds.tokens
    for each in tokens:
        if each.sound != ALL_SOUNDS:
            continue
        about = f"codebook {each.codebook} of {each.codec}"
        if limits.entropy_bits_min is not None and each.entropy_bits < limits.entropy_bits_min:
            found = f"{about} has an entropy of {each.entropy_bits:.2f} bits over {each.tokens:,} tokens"
            yield ReportFinding(
                threshold="tokens.entropy_bits_min",
                limit=limits.entropy_bits_min,
                value=each.entropy_bits,
                found=found,
                keys=each.keys,
            )
        # A sample of few tokens cannot use every entry.
        share = each.used / max(min(each.size, each.tokens), 1)
        if limits.used_share_min is not None and share < limits.used_share_min:
            found = f"{about} uses {each.used} of {each.size} entries"
            yield ReportFinding(
                threshold="tokens.used_share_min", limit=limits.used_share_min, value=share, found=found, keys=each.keys
            )


_OUTLIERS = (
    # Measure, whether the highest values count, how the page names it.
    ("lufs", True, "loudest mixture"),
    ("lufs", False, "quietest mixture"),
    ("full_scale_share", True, "most samples at full scale"),
    ("full_scale_run", True, "longest run at full scale"),
    ("side_mid_db", True, "widest mixture"),
    ("audible_db", False, "least audible {sound}"),
    ("dc_dbfs", True, "largest offset of the {sound}"),
    ("onset_ms", True, "latest onset of the {sound}"),
)
_KEPT_OUTLIERS = 2


def list_outliers(levels: Iterable[LevelSummary]) -> tuple[Outlier, ...]:
    """Return the pairs with the most unusual levels, by reason: worth listening to, even if all is in order."""
    by_measure: dict[str, list[LevelSummary]] = defaultdict(list)
    for level in levels:
        by_measure[level.name.partition(" ")[2]].append(level)
    outliers = []
    for measure, is_high, reason in _OUTLIERS:
        for level in by_measure[measure]:
            sound = level.name.partition(" ")[0].replace("mix", "mixture")
            extremes = level.highest if is_high else level.lowest
            middle = level.percentiles["50"]
            for extreme in extremes[: _KEPT_OUTLIERS if sound == "mixture" else 1]:
                if extreme.value != middle and (measure != "full_scale_run" or sound == "mixture"):
                    value = f"{100 * extreme.value:.3g} %" if not level.unit else f"{extreme.value:.4g} {level.unit}"
                    outliers.append(Outlier(key=extreme.key, reason=f"{reason.format(sound=sound)}: {value}"))
    return tuple(outliers)
