"""`rmod preview`: hear and see some pairs of a data set, or of a recipe before anything is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rmod_pipeline.pages.preview import PageSoundGroup
    from rmod_pipeline.pipeline.jobs.build import BuildJob
    from rmod_pipeline.reading.pairs import StoredPair
    from rmod_pipeline.storage import Location

RECIPES = (".yaml", ".yml")


def preview(
    what: Annotated[
        str,
        typer.Argument(
            metavar="OUT|RECIPE", help="A data set's folder or address; or a recipe, to make pairs of on the spot."
        ),
    ],
    *,
    pairs: Annotated[
        int,
        typer.Option(min=1, max=500, metavar="N", help="How many pairs; 12 make a page of about 4 MB, with stems 7."),
    ] = 12,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of which split: train, valid or test.")] = "train",
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="The page to write; default: OUT-preview.html beside OUT."),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(metavar="NAME.csv", help="For a recipe: the sounds to make the pairs of; default: builtin."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="For a data set with tokens: whose to decode, or its weights; default: all whose weights are here.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="For a recipe: other pairs for each seed.")] = 0,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
) -> None:
    """Write a page to hear and see some pairs: one HTML file that needs no network.

    Every pair with its mixture, its one-shots and its stems to play, spectrogram, piano roll, effects, levels and
    sources; on top, what varies over all of them. The pairs are evenly spread over the split. The page stands beside
    OUT and not in it, because a data set's files are the same for everyone who builds it.

    With a recipe in place of OUT the first pairs of a build are made on the spot, stems and all, and nothing else is
    written: change the recipe, run it again, listen.

    Examples:

        rmod preview out --open

        rmod preview out --split valid --pairs 24 --page valid.html

        rmod preview my.yaml --library samples/library.csv --open
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.pages.preview import write_preview
    from rmod_pipeline.storage import parse_location

    where = parse_location(what)
    if where.is_dir():
        if library is not None:
            found = f"{what} is a data set, whose sounds are chosen already"
            raise UsageError("--library", found, "leave it out, or name a recipe in place of the data set")
        chosen, title, note = _of_data_set(where, split, pairs)
        chosen, further = _with_tokens(where, chosen, codec)
        target = page or _beside(where)
    else:
        chosen, title, note = _of_recipe(what, split, pairs, library or "builtin", seed)
        further = {}
        target = page or Path(f"{Path(what).stem}-preview.html")
    try:
        write_preview(chosen, target, title, note=note, further=further)
    except OSError as error:
        hint = "choose a file in a folder that you can write to"
        raise UsageError(target, f"cannot be written: {error.strerror}", hint) from error
    typer.echo(f"{target}: {len(chosen)} pairs, {target.stat().st_size / 1e6:.1f} MB")
    if show:
        typer.launch(target.resolve().as_uri())


def _of_data_set(out: Location, split: str, count: int) -> tuple[list[StoredPair], str, str]:
    """Return pairs of a data set, and the title and note of their page."""
    from rmod_pipeline.inspection.proof import spread_evenly
    from rmod_pipeline.pages.preview.pick import stored_pairs
    from rmod_pipeline.reading.pairs import list_keys

    keys = list_keys(out, split)
    chosen = spread_evenly(keys, count)
    share = f"all {len(keys):,}" if len(chosen) == len(keys) else f"{len(chosen)} of {len(keys):,}"
    note = f"{share} {split} pairs{'' if len(chosen) == len(keys) else ', evenly spread over the split'}."
    return stored_pairs(out, chosen), out.resolve().name, note[0].upper() + note[1:]


def _with_tokens(
    out: Location, pairs: list[StoredPair], codec: str | None
) -> tuple[list[StoredPair], dict[str, list[PageSoundGroup]]]:
    """Return the pairs, and what their tokens sound like beside them; of pairs without sound, in its place."""
    from rmod_pipeline.pages.preview.tokens import decoded_groups, heard_from_tokens, open_decoders
    from rmod_pipeline.shards.fingerprint import read_fingerprint
    from rmod_pipeline.shards.layout import Layout
    from rmod_pipeline.shards.token_family import family_names

    if codec is None and not family_names(out):
        return pairs, {}
    decoders = open_decoders(out, codec)
    if not read_fingerprint(Layout(out).build)["audio"]:
        return heard_from_tokens(out, pairs, decoders), {}
    return pairs, decoded_groups(out, [pair.key for pair in pairs], decoders)


def _of_recipe(name: str, split: str, count: int, library: str, seed: int) -> tuple[list[StoredPair], str, str]:
    """Return the first pairs of a recipe, and the title and note of their page."""
    from rmod_pipeline.pages.preview.pick import fresh_pairs

    job = _job(name, library, seed, {split: count})
    sounds = "the built-in kit" if library == "builtin" else Path(library).name
    note = f"{job.recipe.description} The first {count} {split} pairs, made of {sounds}.".strip()
    # The first time, loops are shifted in pitch, a second each: that wants to be seen.
    with typer.progressbar(length=count, label="Making pairs", file=sys.stderr) as bar:
        made = fresh_pairs(job, split, count, lambda: bar.update(1))
    return made, job.recipe.name, note


def _job(name: str, library: str, seed: int, counts: dict[str, int]) -> BuildJob:
    from rmod_pipeline.effects import PEDALBOARD
    from rmod_pipeline.library.manifest import load_library
    from rmod_pipeline.pipeline.jobs.build import BuildJob
    from rmod_pipeline.recipe import find_recipe, load_recipe
    from rmod_pipeline.render.pitch import DEFAULT_LIMIT, pitch_folder

    return BuildJob(
        recipe=load_recipe(find_recipe(_recipe_name(name))),
        library=load_library(library),
        seed=seed,
        counts=counts,
        shard_size=max(counts.values()),
        engine=PEDALBOARD,
        audio_format="wav",
        stems=True,
        out=Path(),
        cache=pitch_folder(),
        cache_bytes=DEFAULT_LIMIT,
    )


def _recipe_name(name: str) -> str:
    """Return the name if it can be a recipe's. Raises UsageError: a data set's name was mistyped more likely."""
    from rmod_pipeline.errors import UsageError, nearest
    from rmod_pipeline.recipe.find import recipe_names
    from rmod_pipeline.storage import is_address

    known = recipe_names()
    if name not in known and (is_address(name) or Path(name).suffix.lower() not in RECIPES):
        found = f"neither a data set's folder nor a recipe{nearest(name, known)}"
        raise UsageError(name, found, f"give the folder that `rmod build` wrote, a .yaml file, or {', '.join(known)}")
    return name


def _beside(out: Location) -> Path:
    """Return OUT-preview.html beside OUT; ``.`` has a name too. Of what is on a store, in this folder."""
    if not isinstance(out, Path):
        return Path(f"{out.name}-preview.html")
    folder = out.resolve()
    return out.parent / f"{folder.name}-preview.html" if out.name else folder.parent / f"{folder.name}-preview.html"
