"""`rmod kit`: make a drum kit from sounds that are no drums, and play a MIDI file with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rich.console import Console

    from rmod_pipeline.api.sounds.kits import KitResult

MOST_UNUSED = 10
"""Unused files that are printed; all are in kit.report.csv."""

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Make a drum kit from sounds that are no drums, and play grooves with it.",
)

_MAKE_HELP = """Make a drum kit from a folder of any sounds: doors, glass, steps, voices, field recordings.

Every file is cut at its onsets. The classifier says which parts are most like each class of drum. They get length,
pitch and level of that class. No two pads come from one place of a file, and pads that sound alike are avoided.
The folder DIR then holds the sounds (44.1 kHz, 24 bits), `drumkit.xml` for Hydrogen, `kit.sfz` for samplers, `kit.csv`
with the origin of each sound, `library.csv` for `rmod build`, and `kit.html` to play it.

What was heard in a file is kept in the cache, so another kit of the same sounds is made faster, and a stopped command
resumes. Files of an earlier kit in DIR are replaced, others never. Exits with 1 if kick, snare or hi-hat got no sound.

Examples:

    rmod kit make ~/Recordings --out kitchen

    rmod kit make ~/Recordings --out kitchen2 --seed 1                 # another kit of good sounds

    rmod kit make ~/Recordings --out small --kinds kick,snare,hihat,open_hihat --layers 3

    rmod kit make ~/Recordings --out kitchen --licence CC0-1.0 --author "Me"
"""

_PLAY_HELP = """Play a MIDI file of drums with a kit that `rmod kit make` wrote, and write a WAV file.

Each key plays the pad of its class; closed and open hi-hats end each other. `--map` says which key is which drum:
general_midi, roland_td (electronic kits, as in the Groove MIDI Dataset), or your own YAML file.

Examples:

    rmod kit play kitchen --groove beat.mid --out beat.wav

    rmod kit play kitchen --groove groove/drummer1/session1/1.mid --map roland_td --out loop.wav
"""


@app.command(cls=Command, help=_MAKE_HELP)
def make(
    folder: Annotated[
        Path, typer.Argument(metavar="SRC", parser=parse_local_path, help="The folder that holds the sounds.")
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=parse_local_path, help="The folder of the kit; made if missing.")
    ],
    kinds: Annotated[
        str,
        typer.Option(metavar="A,B,...", help="The pads, such as kick,snare,hihat,ride. Default: a standard kit."),
    ] = "",
    layers: Annotated[int, typer.Option(metavar="N", help="Sounds per pad, for different velocities.")] = 1,
    round_robin: Annotated[
        bool, typer.Option("--round-robin", help="Let the sounds of a pad take turns instead.")
    ] = False,
    tune: Annotated[bool, typer.Option("--tune/--no-tune", help="Change pitches where it helps.")] = True,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Draw another kit of good sounds. Default: the best one.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="TEXT", help="Name of the kit. Default: that of DIR.")] = "",
    author: Annotated[str, typer.Option(metavar="TEXT", help="Author of the kit.")] = "",
    licence: Annotated[str, typer.Option(metavar="SPDX", help="Licence of files without one, such as CC0-1.0.")] = "",
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            parser=parse_local_path,
            help="Licences and sources of files: columns path, kind, kit, licence, source.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="PATH", parser=parse_local_path, help="Another classifier than the one of rmod."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes. Default: one per core.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Listen again to files that are known.")] = False,
) -> None:
    """Make a drum kit from a folder of sounds."""
    from rich.console import Console

    from rmod_pipeline import api

    result = api.make_kit(
        folder,
        out=out,
        kinds=kinds,
        layers=layers,
        round_robin=round_robin,
        tune=tune,
        seed=seed,
        name=name,
        author=author,
        licence=licence,
        labels=labels,
        model=model,
        workers=workers,
        fresh=fresh,
    )
    console = Console(markup=False, highlight=False, soft_wrap=True)
    _print_kit(console, result)
    if not result.kit.is_playable:
        raise typer.Exit(1)


@app.command(cls=Command, help=_PLAY_HELP)
def play(
    kit: Annotated[Path, typer.Argument(metavar="KIT", parser=parse_local_path, help="The folder of a kit.")],
    *,
    groove: Annotated[Path, typer.Option(metavar="FILE.mid", parser=parse_local_path, help="The MIDI file to play.")],
    out: Annotated[Path, typer.Option(metavar="LOOP.wav", parser=parse_local_path, help="The file to write.")],
    drum_map: Annotated[
        str, typer.Option("--map", metavar="NAME|YAML", help="Which key plays which drum.")
    ] = "general_midi",
) -> None:
    """Play a MIDI file with a kit."""
    from rmod_pipeline import api

    result = api.play_kit(kit, groove, out=out, drum_map=drum_map)
    counted = ", ".join(f"{pad} {count}" for pad, count in result.hits.items())
    typer.echo(f"{result.out}: {result.seconds:.1f} s; {counted}")
    if result.unplayed:
        counted = ", ".join(f"{key} ({count} hits)" for key, count in result.unplayed.items())
        typer.echo(f"not played, because the kit has no pad for them: keys {counted}")
        typer.echo("Another --map may know these keys: roland_td is for Roland's V-Drums, and a file may name any.")


def _print_kit(console: Console, result: KitResult) -> None:
    """Print what was chosen for which pad, what is weak or missing, and what was not used."""
    kit, counts = result.kit, result.kit.counts
    width = max(len(sound.file) for sound in kit.sounds)
    console.print(f"{'':{width}}   class  a drum  length   pitch")
    for sound in kit.sounds:
        candidate, place = sound.candidate, sound.candidate.place
        shares = f"{candidate.rating.probability:7.1%} {candidate.rating.drum:7.1%}"
        pitch = f"{candidate.tuning.semitones:+g}" if candidate.tuning.semitones else ""
        at = f"{place.start / place.sample_rate:.3f} s"
        console.print(f"{sound.file:{width}} {shares}  {sound.seconds:4.2f} s  {pitch:>6}  {place.source} at {at}")
    console.print(f"{counts.sounds:,} sounds in {counts.used:,} of {counts.files:,} files")
    for sound in kit.weak:
        probability = sound.candidate.rating.probability
        console.print(f"weak: {sound.pad.title}, {probability:.1%} like its class; the best that was found")
    if kit.missing:
        console.print(f"missing: {', '.join(pad.title for pad in kit.missing)}; no sound was left for them")
    for name, reason in counts.unused[:MOST_UNUSED]:
        console.print(f"not used: {name}: {reason}")
    if len(counts.unused) > MOST_UNUSED:
        console.print(f"and {len(counts.unused) - MOST_UNUSED:,} more: see kit.report.csv")
    console.print(f"licence: {kit.licence or 'unknown'}")
    console.print(f"{result.out}: {len(kit.played)} pads; open {result.files['kit.html'].name} to play it")
