"""Measure the facts of a finished data set: from build.json, receipts and index, and a sample of the sound."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rmod_pipeline import __version__
from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.full_check import Verification
from rmod_pipeline.reading.pairs import list_keys, pick_evenly
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.recipe.show import recipe_yaml
from rmod_pipeline.releases.facts import FamilyFacts, Histogram, LeakageFacts, ReleaseFacts, SoundFacts, SplitFacts
from rmod_pipeline.releases.measuring.index_statistics import IndexStatistics, RunningHistogram, measure_index
from rmod_pipeline.releases.measuring.spectra import SPECTRUM_PAIRS, measure_spectra
from rmod_pipeline.shards.fingerprint import Fingerprint, fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout, main_family, plan_shards
from rmod_pipeline.shards.members import AudioStorage, list_members
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.storage import Location

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class _MeasuredFamily:
    facts: FamilyFacts
    bytes_by_split: Counter[str]


def measure_facts(
    out: Location,
    *,
    pairs: Collection[str] | None = None,
    sizes: Mapping[str, int] | None = None,
    verification: Verification | None = None,
    spectrum_pairs: int = SPECTRUM_PAIRS,
) -> ReleaseFacts:
    """Return the facts of a finished data set. Streams the index, and reads the sound of ``spectrum_pairs`` pairs.

    pairs: the keys to release; None for all. sizes: bytes by path of the files to release, where they differ from those
    of the data set. verification: its result on leakage by sound; without it the facts say that nothing was compared.
    Raises ShardError for an unfinished or damaged data set.
    """
    layout = Layout(out).with_listing()
    fingerprint = read_fingerprint(layout.build)
    try:
        recipe = Recipe.model_validate(fingerprint["recipe"])
        library = fingerprint["library"]
        digest, library_sounds = str(library["digest"]), int(library["sounds"])
    except (KeyError, TypeError, ValueError) as error:
        raise ShardError(layout.build, f"not a build.json: {error}", "build the data set again") from error
    receipts = _read_family_receipts(layout, main_family(fingerprint["audio"]))
    statistics = measure_index((layout.index(receipt.shard) for receipt in receipts), pairs)
    sounds = _describe_sounds(statistics)
    families = tuple(_describe_families(layout, fingerprint, recipe, sizes))
    keys = pick_evenly(_list_chosen_keys(out, pairs), spectrum_pairs) if fingerprint["audio"] else []
    return ReleaseFacts(
        recipe=recipe.name,
        description=recipe.description or "",
        recipe_text=recipe_yaml(recipe),
        fingerprint=fingerprint_digest(fingerprint),
        library_digest=digest,
        library_sounds=library_sounds,
        rmod=__version__,
        versions=dict(fingerprint["versions"]),
        seed=int(fingerprint["seed"]),
        sample_rate=recipe.sample_rate,
        seconds=float(recipe.seconds),
        engine=str(fingerprint["engine"]),
        audio_format=str(fingerprint["format"]),
        targets=tuple(recipe.targets),
        drums=tuple(recipe.drums),
        loops=tuple(recipe.loops),
        splits=tuple(_describe_splits(fingerprint, recipe, statistics, families)),
        families=tuple(family.facts for family in families),
        index=_describe_index(layout, receipts, sizes),
        sounds=sounds,
        levels=_freeze(statistics.levels),
        durations=_freeze(_select(statistics.durations, recipe.targets)),
        audibility=_freeze(_select(statistics.audibility, recipe.targets)),
        hits=_sort(statistics.hits, recipe.drums),
        layers=_sort(statistics.layers, recipe.drums),
        instruments={kind: statistics.instruments[kind] for kind in recipe.kinds},
        semitones=_sort(statistics.semitones, recipe.loops),
        rejects=dict(sorted(statistics.reasons.items())),
        leakage=_describe_leakage(sounds, verification),
        spectra=measure_spectra(out, keys, tuple(recipe.targets), recipe.sample_rate),
        spectrum_pairs=len(keys),
    )


def _list_chosen_keys(out: Location, pairs: Collection[str] | None) -> list[str]:
    return [key for key in list_keys(out) if pairs is None or key in pairs]


def _read_family_receipts(layout: Layout, family: str) -> list[Receipt]:
    """Return the receipts of a family, in the order of the splits. Raises ShardError if a shard has none."""
    order = {split: number for number, split in enumerate(read_fingerprint(layout.build)["pairs"])}
    receipts = [read_receipt(path) for path in layout.receipts(family)]
    receipts.sort(key=lambda receipt: (order.get(receipt.split, len(order)), receipt.first))
    finished, expected = Counter(receipt.split for receipt in receipts), _count_shards(layout)
    for split, count in expected.items():
        if finished[split] != count:
            found = f"{finished[split]} of {count} shards of {split} are finished in {family}"
            raise ShardError(layout.out, found, "give the command that builds it again; it makes what is missing")
    return receipts


def _count_shards(layout: Layout) -> dict[str, int]:
    fingerprint = read_fingerprint(layout.build)
    plans = plan_shards(fingerprint["pairs"], fingerprint["shard_size"])
    return Counter(plan.split for plan in plans)


def _describe_families(
    layout: Layout, fingerprint: Fingerprint, recipe: Recipe, sizes: Mapping[str, int] | None
) -> Iterator[_MeasuredFamily]:
    if fingerprint["audio"]:
        stems = recipe.kinds if fingerprint["stems"] else ()
        storage = AudioStorage(audio_format=fingerprint["format"], stem_kinds=tuple(stems))
        yield _measure_family(layout, AUDIO, tuple(list_members(recipe.targets, storage)), sizes)
    for name in family_names(layout.out):
        tokens = read_family(layout.out, name)
        measured = _measure_family(layout, tokens.folder, tuple(tokens.members()), sizes)
        facts = replace(measured.facts, codec=dict(tokens.codec), windows=dict(tokens.windows))
        yield _MeasuredFamily(facts, measured.bytes_by_split)


def _measure_family(
    layout: Layout, name: str, members: tuple[str, ...], sizes: Mapping[str, int] | None
) -> _MeasuredFamily:
    receipts = _read_family_receipts(layout, name)
    files, size = defaultdict[str, list[str]](list), Counter[str]()
    for receipt in receipts:
        path = layout.relative(layout.tar(receipt.shard, name))
        bytes_by_path = {record.path: record.bytes for record in receipt.files} if sizes is None else sizes
        if path in bytes_by_path:
            files[receipt.split].append(path)
            size[receipt.split] += bytes_by_path[path]
    by_split = {split: tuple(sorted(paths)) for split, paths in files.items()}
    facts = FamilyFacts(name=name, members=members, files=by_split, bytes=size.total())
    return _MeasuredFamily(facts, size)


def _describe_splits(
    fingerprint: Fingerprint, recipe: Recipe, statistics: IndexStatistics, families: Sequence[_MeasuredFamily]
) -> Iterator[SplitFacts]:
    for split in fingerprint["pairs"]:
        yield SplitFacts(
            name=split,
            pairs=statistics.pairs[split],
            hours=statistics.pairs[split] * float(recipe.seconds) / _SECONDS_PER_HOUR,
            rejects=statistics.rejects[split],
            bytes={family.facts.name: family.bytes_by_split[split] for family in families},
        )


def _describe_index(
    layout: Layout, receipts: Sequence[Receipt], sizes: Mapping[str, int] | None
) -> dict[str, tuple[str, ...]]:
    files = defaultdict[str, list[str]](list)
    for receipt in receipts:
        path = layout.relative(layout.index(receipt.shard))
        if sizes is None or path in sizes:
            files[receipt.split].append(path)
    return {split: tuple(sorted(paths)) for split, paths in files.items()}


def _describe_sounds(statistics: IndexStatistics) -> tuple[SoundFacts, ...]:
    splits, uses = defaultdict[tuple[str, ...], set[str]](set), Counter[tuple[str, ...]]()
    for (*sound, split), count in statistics.uses.items():
        splits[tuple(sound)].add(split)
        uses[tuple(sound)] += count
    return tuple(
        sorted(
            SoundFacts(
                file=file,
                kind=kind,
                kit=kit,
                group=group,
                licence=licence,
                source=source,
                sha256=sha256,
                splits=tuple(sorted(splits[file, kind, kit, group, licence, source, sha256])),
                uses=count,
            )
            for (file, kind, kit, group, licence, source, sha256), count in uses.items()
        )
    )


def _describe_leakage(sounds: Sequence[SoundFacts], verification: Verification | None) -> LeakageFacts:
    files, groups = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for sound in sounds:
        files[sound.sha256].update(sound.splits)
        groups[sound.group].update(sound.splits)
    names = {sound.sha256: sound.file for sound in reversed(sounds)}
    return LeakageFacts(
        sounds=tuple(sorted(names[sha256] for sha256, splits in files.items() if len(splits) > 1)),
        groups=tuple(sorted(group for group, splits in groups.items() if group and len(splits) > 1)),
        compared_pairs=verification.compared if verification else 0,
        similar=tuple(str(leak) for leak in verification.leaks) if verification else (),
    )


def _freeze(running: Mapping[str, RunningHistogram]) -> dict[str, Histogram]:
    return {name: histogram.freeze() for name, histogram in running.items() if histogram.counts}


def _select(histograms: Mapping[str, RunningHistogram], kinds: Iterable[str]) -> dict[str, RunningHistogram]:
    return {kind: histograms[kind] for kind in kinds if kind in histograms}


def _sort(counters: Mapping[str, Counter[int]], kinds: Iterable[str]) -> dict[str, dict[int, int]]:
    return {kind: dict(sorted(counters[kind].items())) for kind in kinds if kind in counters}
