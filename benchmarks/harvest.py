"""How well a harvest finds and cuts the hits of drum performances whose hits are known.

    python benchmarks/harvest.py --performances DIR [--write docs/lab/harvest.md]

The figures of docs/lab/harvest.md, as Markdown. DIR holds recordings and beside each a CSV with the columns time,
class, tag and velocity. With --write they replace those between the marks of the page. One process; three minutes.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.classify_files import ClassifierChoice
from rmod_pipeline.curation.harvest.analyse import analyse_song
from rmod_pipeline.curation.harvest.clusters import SongHit, choose_best, is_isolated
from rmod_pipeline.curation.harvest.onsets import merge_near, pick_onsets, refine_onsets
from rmod_pipeline.curation.harvest.results import UNKNOWN, HarvestConfig, HarvestedHit, HarvestSong, SongAnalysis
from rmod_pipeline.curation.harvest.song import measure_levels, survey_song
from rmod_pipeline.extraction.listening.song import Song, song_from_file

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
MERGE_SECONDS = 0.03
"""Strikes that follow each other within this time are one onset."""
LATENCY_SECONDS = 0.004
"""The attack is heard this much after the time of a strike, which is a MIDI time."""
EARLY_SECONDS = 0.02
"""A strike up to this long before the attack of a cut is in it: drums that are struck at once."""
ISOLATIONS = (0.3, 0.45, 0.6, 0.75, 0.9)
VELOCITIES = ((1, 31), (32, 63), (64, 95), (96, 127))


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A strike of a performance."""

    seconds: float
    kind: str
    subkind: str
    velocity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """A performance, what is known of it, and what a harvest finds in it."""

    song: HarvestSong
    strikes: tuple[Strike, ...]
    onsets: NDArray[np.float64]
    """Found onsets in seconds."""
    analysis: SongAnalysis
    onset_seconds: float
    """Processor time to find the onsets."""
    whole_seconds: float
    """Processor time of the whole analysis."""

    def strikes_of(self, hit: HarvestedHit) -> list[Strike]:
        """Return the strikes that a cut holds."""
        rate = self.analysis.sample_rate
        first, last = hit.cut.attack / rate - EARLY_SECONDS, hit.cut.stop / rate
        return [strike for strike in self.strikes if first <= strike.seconds + LATENCY_SECONDS < last]


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--performances", type=Path, required=True, help="a folder of recordings with CSV files")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page whose figures to replace")
    arguments = parser.parse_args()
    paths = sorted(arguments.performances.glob("*.csv"))
    analyse(paths[0])  # what is loaded once is not timed
    performances = [analyse(path) for path in paths]
    text = "\n".join([*onset_tables(performances), *cut_tables(performances), *time_lines(performances)]) + "\n"
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        arguments.write.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")
    else:
        print(text)


def analyse(path: Path) -> Performance:
    """Analyse the recording beside a CSV file."""
    recording = next(other for other in sorted(path.parent.glob(f"{path.stem}.*")) if other.suffix != ".csv")
    song, classifier = song_from_file(recording), ClassifierChoice().open()
    start = time.process_time()
    onsets = find_onsets(song)
    middle = time.process_time()
    analysis = analyse_song(song, HarvestConfig(), classifier.classify)
    end = time.process_time()
    return Performance(
        song=HarvestSong(path=recording, name=recording.name, key=path.stem, sha256="0" * 64),
        strikes=read_strikes(path),
        onsets=onsets,
        analysis=analysis,
        onset_seconds=middle - start,
        whole_seconds=end - middle,
    )


def find_onsets(song: Song) -> NDArray[np.float64]:
    """Return the onsets of a song in seconds."""
    survey = survey_song(song)
    coarse = pick_onsets(measure_levels(song, survey))
    return merge_near(refine_onsets(song, survey, coarse), song.sample_rate) / song.sample_rate


def read_strikes(path: Path) -> tuple[Strike, ...]:
    """Return the strikes of a CSV file, ascending."""
    with path.open(encoding="utf-8", newline="") as file:
        strikes = [_read_strike(row) for row in csv.DictReader(file)]
    return tuple(sorted(strikes, key=lambda strike: strike.seconds))


def _read_strike(row: dict[str, str]) -> Strike:
    velocity = int(row.get("velocity") or 127)
    return Strike(seconds=float(row["time"]), kind=row["class"], subkind=row["tag"], velocity=velocity)


def group_strikes(strikes: Sequence[Strike]) -> list[list[Strike]]:
    """Return the strikes in groups that count as one onset."""
    groups: list[list[Strike]] = []
    for strike in strikes:
        if groups and strike.seconds - groups[-1][0].seconds < MERGE_SECONDS:
            groups[-1].append(strike)
        else:
            groups.append([strike])
    return groups


def match(known: Sequence[float], found: Sequence[float], tolerance: float) -> list[tuple[int, int]]:
    """Return the pairs of known and found onsets, both ascending, that are within a tolerance, each used once."""
    pairs, first, second = [], 0, 0
    while first < len(known) and second < len(found):
        if abs(known[first] - found[second]) <= tolerance:
            pairs.append((first, second))
            first, second = first + 1, second + 1
        elif known[first] < found[second]:
            first += 1
        else:
            second += 1
    return pairs


def onset_tables(performances: Sequence[Performance]) -> Iterable[str]:
    """Yield the lines about onsets."""
    yield "| tolerance | F1 | precision | recall |\n|---|---|---|---|"
    for tolerance in (0.05, 0.03, 0.01):
        matched = known = found = 0
        for each in performances:
            times = [group[0].seconds + LATENCY_SECONDS for group in group_strikes(each.strikes)]
            matched += len(match(times, each.onsets.tolist(), tolerance))
            known, found = known + len(times), found + len(each.onsets)
        f1 = 2 * matched / (known + found)
        yield f"| {1000 * tolerance:.0f} ms | {f1:.3f} | {matched / found:.3f} | {matched / known:.3f} |"
    yield "\n| velocity of the loudest strike | onsets | found within 30 ms |\n|---|---|---|"
    counts, hits = Counter[int](), Counter[int]()
    for each in performances:
        groups = group_strikes(each.strikes)
        matched_groups = {first for first, _ in match_groups(groups, each.onsets)}
        for number, group in enumerate(groups):
            band = min(max(strike.velocity for strike in group) // 32, 3)
            counts[band] += 1
            hits[band] += number in matched_groups
    for band, (low, high) in enumerate(VELOCITIES):
        yield f"| {low} to {high} | {counts[band]} | {hits[band] / max(counts[band], 1):.0%} |"


def match_groups(groups: Sequence[Sequence[Strike]], onsets: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the pairs of groups and found onsets within 30 ms."""
    return match([group[0].seconds + LATENCY_SECONDS for group in groups], onsets.tolist(), 0.03)


def cut_tables(performances: Sequence[Performance]) -> Iterable[str]:
    """Yield the lines about cuts."""
    minutes = sum(each.analysis.seconds for each in performances) / 60
    yield "\n| least isolation | cuts | per minute | one strike only | classified | right class | clusters | kept |"
    yield "|---|---|---|---|---|---|---|---|"
    for isolation in ISOLATIONS:
        config = HarvestConfig(min_isolation=isolation)
        cuts = [(each, hit) for each in performances for hit in each.analysis.hits if is_isolated(hit, config)]
        kept, clusters = choose_best(
            (SongHit(song=each.song, sample_rate=each.analysis.sample_rate, hit=hit) for each, hit in cuts), config
        )
        single, classified, right = count_right(cuts)
        yield (
            f"| {isolation:g} | {len(cuts)} | {len(cuts) / minutes:.1f} | {percent(single, len(cuts))} "
            f"| {percent(classified, single)} | {percent(right, classified)} | {clusters} | {len(kept)} |"
        )
    yield "\n| struck | cuts | heard as |\n|---|---|---|"
    config = HarvestConfig()
    heard: dict[str, Counter[str]] = {}
    for each in performances:
        for hit in each.analysis.hits:
            strikes = each.strikes_of(hit)
            if is_isolated(hit, config) and len(strikes) == 1:
                heard.setdefault(strikes[0].kind, Counter())[hit.kind] += 1
    for kind in sorted(heard):
        answers = ", ".join(f"{name} {count}" for name, count in heard[kind].most_common())
        yield f"| {kind} | {heard[kind].total()} | {answers} |"


def count_right(cuts: Sequence[tuple[Performance, HarvestedHit]]) -> tuple[int, int, int]:
    """Return how many cuts hold one strike, how many of these have a class, and how many of these the right one."""
    single = [(strikes[0], hit) for each, hit in cuts if len(strikes := each.strikes_of(hit)) == 1]
    classified = [(strike, hit) for strike, hit in single if hit.kind != UNKNOWN]
    return len(single), len(classified), sum(strike.kind == hit.kind for strike, hit in classified)


def percent(part: int, whole: int) -> str:
    """Return a part as ``12 %``; a dash if there is no whole."""
    return f"{100 * part / whole:.0f} %" if whole else "-"


def time_lines(performances: Sequence[Performance]) -> Iterable[str]:
    """Yield the lines about processor time."""
    minutes = sum(each.analysis.seconds for each in performances) / 60
    onsets = sum(each.onset_seconds for each in performances) / minutes
    whole = sum(each.whole_seconds for each in performances) / minutes
    yield f"\n{len(performances)} performances, {minutes:.1f} minutes. Seconds of one core per minute of audio:"
    yield f"{onsets:.1f} to find the onsets, {whole:.1f} for the whole analysis with the classifier."


if __name__ == "__main__":
    main()
