"""`rmod library harvest`: cut one-shots out of drum performances and loops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.counts import print_licences
from rmod_pipeline.cli.shared.options import ClassifierOption, OpenFlag
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.api import HarvestResult

MOST_FINDINGS = 20

HARVEST_HELP = """Cut the hits that are alone out of drum performances and loops, and keep the best of each sound.

Finds the onsets of every song and measures how alone each hit is. A hit is cut from just before its attack to the next
hit, or to the end of its decay; a classifier tells its kind. Similar hits form clusters, of which the best few sounds
are kept: DIR/kick/SONG-0012.345.wav, 24 bit at the song's rate. Songs may have any length; memory hardly grows with it.
harvest.csv says where each sound is from, with the licence if it is known. manifest.csv is a library for `rmod build`,
in which all sounds of a song are in one split. listen.html plays the clusters.

A harvest that was stopped resumes when its command is given again. With other choices of what is kept, nothing is
listened to again. A sound or table that somebody changed is never overwritten, nor is a folder of anything else.

Exits with 1 if nothing was cut from some songs; songs.csv names the reasons.

Examples:

    rmod library harvest loops --out hits

    rmod library harvest take1.flac take2.flac --out hits --min-isolation 0.8 --per-cluster 1 --peak -1

    rmod library harvest performances --out hits --onsets performances --labels performances/list.csv

    rmod build rmod_drums_only --library hits/manifest.csv --out demo --pairs train=20
"""


def harvest(
    songs: Annotated[
        list[Path],
        typer.Argument(metavar="SONGS", parser=parse_local_path, help="Audio files, or folders of them."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", parser=parse_local_path, help="A new or empty folder, or that of an earlier harvest."
        ),
    ],
    onsets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=parse_local_path,
            help="A folder with NAME.csv for each song: known hits, columns time[,kind]. Default: they are detected.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", parser=parse_local_path, help="Of the songs; columns path,kind,kit,licence,source."
        ),
    ] = None,
    licence: Annotated[str, typer.Option(metavar="SPDX", help="Licence of songs without one, such as CC0-1.0.")] = "",
    per_cluster: Annotated[int, typer.Option(metavar="N", help="Most sounds kept of those that sound alike.")] = 3,
    min_isolation: Annotated[
        float, typer.Option(metavar="0..1", help="How alone a hit is at least; 1 is completely.")
    ] = 0.6,
    max_seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Longest sound.")] = 3.0,
    peak: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Scale every sound to this peak, such as -1. Default: the song's level.",
            show_default=False,
        ),
    ] = None,
    splits: Annotated[
        str, typer.Option(metavar="A/B/C", help="Per cent of train/valid/test; a song is in one.")
    ] = "90/5/5",
    classify: Annotated[bool, typer.Option("--classify/--no-classify", help="Tell the kinds by ear.")] = True,
    model: ClassifierOption = None,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one per core.")] = 0,
    show: OpenFlag = False,
) -> None:
    """Harvest one-shots."""
    from rmod_pipeline import api

    result = api.harvest(
        songs,
        out=out,
        onsets=onsets,
        labels=labels,
        licence=licence,
        per_cluster=per_cluster,
        min_isolation=min_isolation,
        max_seconds=max_seconds,
        peak=peak,
        shares=splits,
        classify=classify,
        model=model,
        workers=workers,
    )
    _print_harvest(result)
    if show:
        typer.launch(result.page.resolve().as_uri())
    if result.harvest.findings:
        raise typer.Exit(1)


def _print_harvest(result: HarvestResult) -> None:
    from rich.console import Console
    from rich.table import Table

    harvest = result.harvest
    table = Table("kind")
    for column in ("clusters", "sounds", "songs", "seconds"):
        table.add_column(column, justify="right")
    for kind in sorted({sound.folder for sound in harvest.sounds}):
        sounds = [sound for sound in harvest.sounds if sound.folder == kind]
        clusters, songs = ({getattr(sound, name) for sound in sounds} for name in ("cluster", "song"))
        seconds = sum(sound.seconds for sound in sounds)
        table.add_row(kind, *map(str, (len(clusters), len(sounds), len(songs))), f"{seconds:.1f}")
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    hits, isolated = (sum(getattr(song, name) for song in harvest.songs) for name in ("onsets", "isolated"))
    minutes = sum(song.seconds for song in harvest.songs) / 60
    console.print(
        f"{len(harvest.songs)} songs, {minutes:.1f} minutes: {hits:,} hits, {isolated:,} of them isolated, "
        f"{harvest.clusters:,} clusters, {len(harvest.sounds):,} sounds kept"
    )
    print_licences(console, (sound.song.licence for sound in harvest.sounds))
    for warning in harvest.warnings:
        console.print(f"warning: {warning}")
    for song in harvest.findings[:MOST_FINDINGS]:
        console.print(f"nothing from {song.name}: {song.finding}")
    if len(harvest.findings) > MOST_FINDINGS:
        console.print(f"and nothing from {len(harvest.findings) - MOST_FINDINGS} more: {result.songs}")
    library = f"{result.manifest} is the library, " if result.manifest else ""
    console.print(f"{result.sounds} says where each sound is from, {library}{result.page} plays them")
