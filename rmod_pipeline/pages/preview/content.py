"""What a preview page shows: pairs of a data set, or the first pairs of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.inspection.proof import spread_evenly
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.pages.preview.pick import fresh_pairs, stored_pairs
from rmod_pipeline.pages.preview.sounds import PageSoundGroup
from rmod_pipeline.pages.preview.tokens import decoded_groups, heard_from_tokens, open_decoders
from rmod_pipeline.pipeline.jobs.configure import configure_build
from rmod_pipeline.reading.pairs import StoredPair, list_keys
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.recipe.find import recipe_names
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.storage import Location, is_address

RECIPE_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """The pairs of a page, and what stands around them."""

    pairs: list[StoredPair]
    title: str
    note: str
    page: Path
    """Where the page goes by default."""
    decoded: Mapping[str, list[PageSoundGroup]] = field(default_factory=dict)
    """By key: the sounds decoded from the pair's tokens."""


def data_set_content(out: Location, split: str, count: int, codec: str | None = None) -> PageContent:
    """Return ``count`` pairs spread over a split, with the sound of their tokens. Raises ShardError, CodecError."""
    keys = list_keys(out, split)
    chosen = spread_evenly(keys, count)
    pairs, decoded = _with_tokens(out, stored_pairs(out, chosen), codec)
    if len(chosen) == len(keys):
        note = f"All {len(keys):,} {split} pairs."
    else:
        note = f"{len(chosen)} of {len(keys):,} {split} pairs, spread evenly over the split."
    return PageContent(pairs=pairs, title=out.resolve().name, note=note, page=_page_beside(out), decoded=decoded)


def recipe_content(
    recipe: Recipe, library: Library, split: str, count: int, *, seed: int, on_pair: Callable[[], None] = lambda: None
) -> PageContent:
    """Return the first ``count`` pairs that a build of a recipe would store, with stems. Raises BuildError."""
    job = configure_build(recipe, library, Path(), pairs={split: count}, seed=seed, stems=True)
    sounds = "the built-in kit" if library.manifest.name == f"{BUILTIN}.csv" else library.manifest.name
    note = f"{recipe.description} The first {count} {split} pairs, made of {sounds}.".strip()
    pairs = fresh_pairs(job, split, count, on_pair)
    return PageContent(pairs=pairs, title=recipe.name, note=note, page=Path(f"{recipe.name}-preview.html"))


def check_recipe_name(name: str) -> str:
    """Return a name that can be a recipe's. Raises UsageError: more likely a data set's name is mistyped."""
    known = recipe_names()
    if name not in known and (is_address(name) or Path(name).suffix.lower() not in RECIPE_SUFFIXES):
        found = f"neither a data set's folder nor a recipe{nearest(name, known)}"
        raise UsageError(name, found, f"give the folder that `rmod build` wrote, a .yaml file, or {', '.join(known)}")
    return name


def _with_tokens(
    out: Location, pairs: list[StoredPair], codec: str | None
) -> tuple[list[StoredPair], Mapping[str, list[PageSoundGroup]]]:
    """Return the pairs with the sound of their tokens beside them; in place of the audio where none is kept."""
    if codec is None and not family_names(out):
        return pairs, {}
    decoders = open_decoders(out, codec)
    if not read_fingerprint(Layout(out).build)["audio"]:
        return heard_from_tokens(out, pairs, decoders), {}
    return pairs, decoded_groups(out, [pair.key for pair in pairs], decoders)


def _page_beside(out: Location) -> Path:
    """Return OUT-preview.html beside OUT; for a data set on a store, in the current folder."""
    if not isinstance(out, Path):
        return Path(f"{out.name}-preview.html")
    folder = out.resolve()
    return out.parent / f"{folder.name}-preview.html" if out.name else folder.parent / f"{folder.name}-preview.html"
