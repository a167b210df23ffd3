"""Choose what a preview page shows: pairs of a data set, or the first pairs of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.errors import BuildError, ShardError, UsageError, nearest
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.pages.preview.sounds import PageSoundGroup
from rmod_pipeline.pages.preview.tokens import group_decoded_sounds, open_decoders, replace_audio_with_decoded
from rmod_pipeline.patterns.manifest import Grooves
from rmod_pipeline.pipeline.configure import configure_build
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.jobs.context import WorkerContext
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.pipeline.shard import compose_attempt, find_accepted
from rmod_pipeline.reading.pairs import StoredPair, list_keys, pick_evenly, read_pair
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.recipe.find import recipe_names
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import encode_members
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.spec import PairId
from rmod_pipeline.storage import Location, is_address

RECIPE_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """The pairs of a page with its title and its note."""

    pairs: list[StoredPair]
    title: str
    note: str
    page: Path
    """Default path of the page."""
    decoded: Mapping[str, list[PageSoundGroup]] = field(default_factory=dict)
    """The sounds decoded from a pair's tokens, by key."""


def data_set_content(out: Location, split: str, count: int, codec: str | None = None) -> PageContent:
    """Return ``count`` pairs spread over a split, with the sounds of their tokens. Raises ShardError, CodecError."""
    keys = list_keys(out, split)
    chosen = pick_evenly(keys, count)
    pairs, decoded = _add_decoded_tokens(out, [read_pair(out, key) for key in chosen], codec)
    if len(chosen) == len(keys):
        note = f"All {len(keys):,} {split} pairs."
    else:
        note = f"{len(chosen)} of {len(keys):,} {split} pairs, spread evenly over the split."
    return PageContent(pairs=pairs, title=out.resolve().name, note=note, page=_page_beside(out), decoded=decoded)


def recipe_content(
    recipe: Recipe,
    library: Library,
    split: str,
    count: int,
    *,
    seed: int,
    grooves: Grooves | None = None,
    on_pair: Callable[[], None] = lambda: None,
) -> PageContent:
    """Return the first ``count`` pairs that a build of a recipe would store, with stems. Raises BuildError."""
    job = configure_build(recipe, library, Path(), pairs={split: count}, seed=seed, stems=True, grooves=grooves)
    sounds = "the built-in kit" if library.manifest.name == f"{BUILTIN}.csv" else library.manifest.name
    note = f"{recipe.description} The first {count} {split} pairs, made of {sounds}.".strip()
    pairs = make_first_pairs(job, split, count, on_pair)
    return PageContent(pairs=pairs, title=recipe.name, note=note, page=Path(f"{recipe.name}-preview.html"))


def make_first_pairs(
    job: BuildJob, split: str, count: int, on_pair: Callable[[], None] = lambda: None
) -> list[StoredPair]:
    """Make the first pairs of a split in memory, as a build of the job would store them.

    As in a build, a key is left out if all of its attempts are rejected. ``on_pair`` is called after each key. Raises
    BuildError if no pair is left.
    """
    context = WorkerContext(job)
    pairs = []
    try:
        for index in range(count):
            pair = _make_first_accepted(PairId(seed=job.seed, split=split, index=index), context)
            pairs += [pair] if pair else []
            on_pair()
    finally:
        set_current_pair("")
    if not pairs:
        found = f"each of the first {count} pairs was rejected {job.recipe.reject.attempts} times"
        raise BuildError(job.recipe.name, found, "look at `reject` in the recipe, and at the levels of its drums")
    return pairs


def check_recipe_name(name: str) -> str:
    """Return the name if it can be a recipe's. Raises UsageError: it is probably a mistyped name of a data set."""
    known = recipe_names()
    if name not in known and (is_address(name) or Path(name).suffix.lower() not in RECIPE_SUFFIXES):
        found = f"neither a data set's folder nor a recipe{nearest(name, known)}"
        raise UsageError(name, found, f"give the folder that a build wrote, a .yaml file, or {', '.join(known)}")
    return name


def _make_first_accepted(pair_id: PairId, context: WorkerContext) -> StoredPair | None:
    """Return the first attempt that is accepted; None if all are rejected."""
    job = context.job
    pair = find_accepted(render_pair(compose_attempt(pair_id, context), context.sounds), context)
    if pair is None:
        return None
    return StoredPair(key=pair_id.key, members=encode_members(pair, job.library, job.storage))


def _add_decoded_tokens(
    out: Location, pairs: list[StoredPair], codec: str | None
) -> tuple[list[StoredPair], Mapping[str, list[PageSoundGroup]]]:
    """Return the pairs and the sounds of their tokens; in a data set without audio, the sounds replace the audio."""
    has_audio = read_fingerprint(Layout(out).build)["audio"]
    if codec is None and not family_names(out):
        if not has_audio:
            hint = "build it again in another folder with audio, or add tokens: the build command with --codec"
            raise ShardError(out, "contains neither audio nor tokens, so there is nothing to hear", hint)
        return pairs, {}
    decoders = open_decoders(out, codec)
    if not has_audio:
        return replace_audio_with_decoded(out, pairs, decoders), {}
    return pairs, group_decoded_sounds(out, [pair.key for pair in pairs], decoders)


def _page_beside(out: Location) -> Path:
    """Return OUT-preview.html beside OUT; for a data set on an object store, in the current folder."""
    if not isinstance(out, Path):
        return Path(f"{out.name}-preview.html")
    folder = out.resolve()
    return out.parent / f"{folder.name}-preview.html" if out.name else folder.parent / f"{folder.name}-preview.html"
