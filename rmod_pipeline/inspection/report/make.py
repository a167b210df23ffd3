"""Make the report on a finished data set: the index as a stream, the sound of a sample, the thresholds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from rmod_pipeline.errors import ShardError, UsageError
from rmod_pipeline.inspection.findings import read_expected_content
from rmod_pipeline.inspection.report.fits import DrawCollector, measure_draws
from rmod_pipeline.inspection.report.index_scan import IndexCounts, IndexScan, find_users
from rmod_pipeline.inspection.report.laws import TOO_FEW
from rmod_pipeline.inspection.report.leaks import MOST_COMPARED, OneShotCollector, compare_library
from rmod_pipeline.inspection.report.levels import LevelMeter, SoundMeters
from rmod_pipeline.inspection.report.limits import Measured, find_broken, list_outliers, list_uneven
from rmod_pipeline.inspection.report.records import (
    KEPT_KEYS,
    CodebookUse,
    DrawTest,
    DuplicateCount,
    KindUse,
    Report,
    SampleFacts,
    SoundComparison,
    SoundLeak,
)
from rmod_pipeline.inspection.report.sampling import (
    Sample,
    choose_sample,
    read_all_receipts,
    read_sample,
    split_families,
)
from rmod_pipeline.inspection.report.thresholds import Thresholds, load_thresholds
from rmod_pipeline.inspection.report.use import count_equal_files, measure_codebooks, summarize_use
from rmod_pipeline.inspection.sounds import limit_to_build
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.process_pool import CountProgress, OpenProgress
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import is_imported, read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout, parse_key
from rmod_pipeline.shards.members import decode_audio
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import Location

DEFAULT_SAMPLE = 500
"""Pairs whose sound is read."""


def make_report(
    out: Location,
    *,
    sample: int = DEFAULT_SAMPLE,
    thresholds: Thresholds | Path | None = None,
    library: Library | None = None,
    progress: OpenProgress = lambda _step: nullcontext(lambda _done, _total: None),
) -> Report:
    """Return the report on a finished data set. Writes nothing.

    sample: number of pairs whose sound, spec and tokens are read. thresholds: loaded ones, or a YAML file whose keys
    replace those that come with rmod. library: that of the build, to compare its sounds across splits too.

    Raises UsageError for a negative sample, RecipeError for invalid thresholds, UnfinishedError for an unfinished
    build, ShardError for a damaged data set, AssetError for a library that is not that of the build.
    """
    if sample < 0:
        raise UsageError("--sample", f"{sample} is not a number of pairs", "give 0 or more")
    limits = thresholds if isinstance(thresholds, Thresholds) else load_thresholds(thresholds)
    return _ReportMaker(out, sample, limits, library, progress).make()


class _ReportMaker:
    """The steps of a report, and what they share."""

    def __init__(
        self, out: Location, requested: int, thresholds: Thresholds, library: Library | None, progress: OpenProgress
    ) -> None:
        self._layout = Layout(out).with_listing()
        self._expected = read_expected_content(out)
        self._recipe = _read_recipe(self._layout, self._expected.recipe)
        fingerprint = read_fingerprint(self._layout.build)
        self._is_imported = is_imported(fingerprint)
        self._requested, self._thresholds = requested, thresholds
        self._library = None if library is None else limit_to_build(library, fingerprint)
        self._progress = progress
        self._has_audio = self._expected.family == AUDIO
        self._receipts = read_all_receipts(self._layout, self._expected)
        self._sample: Sample = choose_sample(self._receipts, requested, self._expected.digest)
        self._families, self._unread_families = split_families(self._layout, self._expected.plans)
        self._sampled = sum(map(len, self._sample.values()))

    def make(self) -> Report:
        """Return the report."""
        counts = self._scan_index()
        collector, meters, one_shots = self._read_pairs()
        tokens = self._read_tokens()
        comparisons, leaks = self._compare(counts, one_shots)
        sounds = self._library_ids() if self._library else None
        draws, laws = ((), {}) if self._is_imported else measure_draws(self._recipe, counts, collector, sounds)
        levels = tuple(meter.summarize() for meter in (*counts.meters.values(), *meters.values()) if meter.count)
        duplicates, shared = self._find_equal(counts)
        use = tuple(summarize_use(split, kind, uses) for (split, kind), uses in sorted(counts.use.items()))
        measured = Measured(
            attempts=counts.rows,
            rejects=counts.rejects.total(),
            draws=draws,
            levels=levels,
            duplicates=duplicates,
            leaks=leaks,
            use=use,
            tokens=tokens,
            shared_sounds=shared,
            retried=counts.retried,
            users=self._find_most_used(counts, use),
        )
        findings = find_broken(measured, self._thresholds, lambda test: collector.find_keys(test, laws.get(test.name)))
        splits = Counter(parse_key(key)[0] for keys in self._sample.values() for key in keys)
        return Report(
            fingerprint=self._expected.digest,
            recipe=self._recipe.name,
            pairs=dict(counts.pairs),
            attempts=counts.rows,
            rejects=dict(counts.rejects.most_common()),
            sample=SampleFacts(
                seed=self._expected.digest, requested=self._requested, pairs=dict(splits), has_audio=self._has_audio
            ),
            not_checked=tuple(self._list_unchecked(counts, draws, comparisons)),
            draws=draws,
            levels=levels,
            duplicates=duplicates,
            comparisons=comparisons,
            leaks=leaks,
            use=use,
            tokens=tokens,
            outliers=list_outliers(levels),
            thresholds=self._thresholds.model_dump(),
            findings=tuple(findings),
        )

    def _scan_index(self) -> IndexCounts:
        scan, total, done = IndexScan(self._layout, self._recipe, self._thresholds), 0, 0
        total = sum(receipt.pairs for receipt in self._receipts)
        with self._progress("index") as on_pair:
            for receipt in self._receipts:
                scan.add_shard(receipt)
                done += receipt.pairs
                on_pair(done, total)
        return scan.counts

    def _read_pairs(self) -> tuple[DrawCollector, Mapping[str, LevelMeter], OneShotCollector]:
        """Read the specs of the sample, and its sounds if there is audio."""
        collector, sounds = DrawCollector(self._recipe), SoundMeters(self._recipe, self._thresholds)
        one_shots = OneShotCollector(self._layout, _shard_size(self._receipts))
        with self._progress("sample") as on_pair:
            for done, pair in enumerate(self._iterate_pairs()):
                if not self._is_imported:
                    collector.add(pair.spec())
                self._add_sounds(pair, sounds, one_shots)
                on_pair(done + 1, self._sampled)
        return collector, sounds.meters, one_shots

    def _iterate_pairs(self) -> Iterator[StoredPair]:
        if self._has_audio:
            yield from read_sample(self._layout, self._sample, AUDIO)
        elif self._families:
            yield from read_sample(self._layout, self._sample, self._families[0].folder, with_sounds=False)

    def _add_sounds(self, pair: StoredPair, sounds: SoundMeters, one_shots: OneShotCollector) -> None:
        decoded = {}
        for name, data in pair.members.items():
            sound = name.rpartition(".")[0]
            if sound in ("mix", *self._recipe.targets):
                decoded[sound], sample_rate = decode_audio(data, f"{pair.key}.{name}")
                if sound != "mix":
                    one_shots.add(pair.key, sound, data, decoded[sound], sample_rate)
        if decoded:
            sounds.add(pair.key, decoded, self._recipe.sample_rate)

    def _read_tokens(self) -> tuple[CodebookUse, ...]:
        use: list[CodebookUse] = []
        for family in self._families:
            with self._progress(f"tokens of {family.name}") as on_pair:
                done = 0

                def advance(on_pair: CountProgress = on_pair) -> None:
                    nonlocal done
                    done += 1
                    on_pair(done, self._sampled)

                use += measure_codebooks(self._layout, self._sample, family, advance)
        return tuple(use)

    def _compare(
        self, counts: IndexCounts, one_shots: OneShotCollector
    ) -> tuple[tuple[SoundComparison, ...], tuple[SoundLeak, ...]]:
        similarity = self._thresholds.leakage.similarity_min
        comparisons, leaks = [], list[SoundLeak]()
        if self._has_audio and len(counts.pairs) > 1:
            with self._progress("one-shots across splits") as on_pair:
                comparison, leaks = one_shots.find_leaks(similarity, on_pair)
            comparisons.append(comparison)
        if self._library is not None and len(counts.pairs) > 1:
            with self._progress("library across splits") as on_sound:
                comparison, found = compare_library(counts, self._library, similarity, on_sound)
            comparisons.append(comparison)
            leaks += self._add_users(found)
        return tuple(comparisons), tuple(leaks)

    def _add_users(self, leaks: Sequence[SoundLeak]) -> Iterator[SoundLeak]:
        """Yield leaks of the library with a pair that uses each of the two sounds; only the first few get pairs."""
        assert self._library is not None
        sha256 = {
            name: self._library.by_id[name].sha256 for leak in leaks[:KEPT_KEYS] for name in (leak.first, leak.second)
        }
        users = find_users(self._layout, self._receipts, (), set(sha256.values()), 1)
        for leak in leaks:
            names = [name for name in (leak.first, leak.second) if name in sha256]
            yield replace(leak, keys=tuple(dict.fromkeys(key for name in names for key in users[sha256[name]])))

    def _library_ids(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the ids of the sounds that each split may draw from, by split and kind."""
        assert self._library is not None
        sounds = {**self._recipe.drum_sounds, **{kind: (kind,) for kind in self._recipe.loops}}
        return {
            split: {kind: self._ids_of(split, of_kind) for kind, of_kind in sounds.items()}
            for split in {receipt.split for receipt in self._receipts}
        }

    def _ids_of(self, split: str, kinds: Sequence[str]) -> tuple[str, ...]:
        """Return the ids of the library's sounds of some kinds, in the order in which a build draws from them."""
        assert self._library is not None
        return tuple(sorted(asset.id for kind in set(kinds) for asset in self._library.select(kind, split)))

    def _find_equal(self, counts: IndexCounts) -> tuple[tuple[DuplicateCount, ...], dict[str, Sequence[str]]]:
        """Return how many files are equal, and the library's files that are used in several splits, with pairs."""
        equal = count_equal_files(counts)
        splits_of, ids_of = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for (split, _), sounds in counts.use.items():
            for sound in sounds:
                splits_of[sound.sha256].add(split)
                ids_of[sound.sha256].add(sound.id)
        shared = {" = ".join(sorted(ids_of[sha256])): sha256 for sha256, splits in splits_of.items() if len(splits) > 1}
        shared = dict(sorted(shared.items()))
        files = {(sound, head) for sound, (_, _, _, heads) in equal.items() for head in heads[:KEPT_KEYS]}
        users = find_users(self._layout, self._receipts, files, set(islice(shared.values(), KEPT_KEYS)), 2)
        duplicates = tuple(
            DuplicateCount(
                sound=sound,
                files=total,
                different=different,
                in_two_splits=in_two,
                keys=tuple(dict.fromkeys(key for head in heads[:KEPT_KEYS] for key in users[sound, head])),
            )
            for sound, (total, different, in_two, heads) in equal.items()
        )
        return duplicates, {name: users.get(sha256, []) for name, sha256 in shared.items()}

    def _find_most_used(self, counts: IndexCounts, use: Sequence[KindUse]) -> dict[tuple[str, str], list[str]]:
        """Return pairs with the most used sound of each split and kind whose sounds are used too unevenly."""
        most_used = {}
        for each in list_uneven(use, self._thresholds.use.effective_share_min):
            uses = counts.use[each.split, each.kind]
            most_used[each.split, each.kind] = next(sound.sha256 for sound in uses if sound.id == each.top[0][0])
        users = find_users(self._layout, self._receipts, (), set(most_used.values()), KEPT_KEYS)
        return {
            (split, kind): [key for key in users[sha256] if parse_key(key)[0] == split]
            for (split, kind), sha256 in most_used.items()
        }

    def _list_unchecked(
        self, counts: IndexCounts, draws: Sequence[DrawTest], comparisons: Sequence[SoundComparison]
    ) -> Iterator[str]:
        """Yield what the report says nothing about."""
        yield from self._list_unread(counts.pairs.total())
        if self._is_imported:
            yield "Random values, and how audible the drums are: the pairs were imported, and their files do not say."
        if len(counts.pairs) < 2:
            yield "Leaks between splits: there is only one split."
        elif self._library is None and not self._is_imported:
            layered = "one-shots of several layers may hide a sound that is in two splits; "
            is_layered = self._recipe.one_shots.layering.none < 1
            yield f"The files of the library: {layered if is_layered else ''}name the library to compare its files too."
        for comparison in comparisons:
            if comparison.capped_kinds:
                kinds = ", ".join(comparison.capped_kinds)
                yield f"Similar {comparison.compared} of {kinds} beyond the first {MOST_COMPARED:,} pairs of them."
        few = sum(test.test == TOO_FEW for test in draws)
        if few:
            yield f"{few} of {len(draws)} random values: there are too few values for a test."
        for section, values in self._thresholds.model_dump().items():
            off = [f"{section}.{name}" for name, value in values.items() if value is None]
            if off:
                yield f"Turned off in the thresholds: {', '.join(off)}."

    def _list_unread(self, total: int) -> Iterator[str]:
        if not self._has_audio:
            yield (
                "The sound: the data set keeps no audio. Levels are those that the build measured; offset, runs at full"
                " scale, silence within a sound and one-shots across splits were not looked at."
            )
        if self._sampled < total:
            what = "sounds, specs and tokens" if self._has_audio else "specs and tokens"
            yield f"The {what} of {total - self._sampled:,} pairs: {self._sampled:,} of {total:,} are in the sample."
        if not self._has_audio and not self._families:
            yield "Specs: there are neither audio nor tokens, so the draws in the index alone were tested."
        if not self._families:
            yield "Tokens: the data set has none that are finished."
        for name in self._unread_families:
            yield f"The tokens of {name}: they are not finished."


def _read_recipe(layout: Layout, content: Mapping[str, object]) -> Recipe:
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        hint = "restore it, or build the data set again in another folder"
        raise ShardError(layout.build, f"holds no valid recipe: {error.errors()[0]['msg']}", hint) from error


def _shard_size(receipts: Sequence[Receipt]) -> int:
    return max(receipt.count for receipt in receipts)
