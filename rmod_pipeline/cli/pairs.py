"""`rmod show` and `rmod render`: one pair, told or made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rmod_pipeline.shards.read import StoredPair


def show(
    out: Annotated[Path, typer.Argument(help="The folder that `rmod build --out` wrote.")],
    key: Annotated[
        str | None, typer.Argument(help="A pair, such as train-00000012; without it, all are listed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the pair's JSON as it is stored.")] = False,
) -> None:
    """Tell a pair's story: its sounds, hits, effects and levels. Without a key, list the pairs that there are.

    Examples:

        rmod show OUT

        rmod show OUT train-00000012
    """
    from rmod_pipeline.shards.read import list_keys, read_pair

    if key is None:
        for found in list_keys(out):
            typer.echo(found)
        return
    pair = read_pair(out, key)
    if as_json:
        typer.echo(pair.members["json"].decode())
        return
    _tell(pair)


def render(
    pair: Annotated[
        Path, typer.Argument(metavar="PAIR.json", help="The JSON beside a pair: `rmod show OUT KEY --json`.")
    ],
    library: Annotated[str, typer.Option(help="The manifest that the pair was made from, or `builtin`.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the files; made if missing.")],
    engine: Annotated[str | None, typer.Option(help="Another engine than the pair's own.")] = None,
) -> None:
    """Make one pair again from its JSON: mixture, dry one-shots, stems, MIDI.

    Example:

        rmod show OUT train-00000012 --json > pair.json

        rmod render pair.json --library lib.csv --out listen
    """
    from rmod_pipeline.build.rerender import open_sounds
    from rmod_pipeline.effects import check_engine
    from rmod_pipeline.errors import existing_file
    from rmod_pipeline.render import render_pair
    from rmod_pipeline.shards.members import Form, encode_members
    from rmod_pipeline.shards.publish import publish_bytes
    from rmod_pipeline.shards.read import spec_in

    existing_file(pair, "give the JSON that `rmod show OUT KEY --json` prints")
    spec = spec_in(pair.read_bytes(), pair)
    spec = spec.with_engine(check_engine(engine or spec.settings.engine))
    sounds = open_sounds(library, spec.settings.sample_rate)
    rendered = render_pair(spec, sounds)
    form = Form(stem_kinds=tuple(track.kind for track in spec.tracks))
    for name, data in encode_members(rendered, sounds.store.library, form).items():
        path = out / f"{spec.key}.{name}"
        publish_bytes(data, path, out)
        typer.echo(path)


def _tell(pair: StoredPair) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rmod_pipeline.release.preview.words import effect_words, level

    spec, content = pair.spec(), pair.description()
    measured, sources = content["measured"], {source["id"]: source for source in content["sources"]}
    mix, settings = measured["mix"], spec.settings
    console = Console(soft_wrap=False)
    console.print(
        f"[bold]{pair.key}[/]  recipe {spec.recipe}, seed {spec.address.seed}, attempt {spec.address.attempt}, "
        f"engine {settings.engine}\n{settings.frames / settings.sample_rate:g} s at {settings.sample_rate} Hz: "
        f"{level(mix['lufs'], 'LUFS')}, peak {level(mix['peak_dbfs'], 'dBFS')}, "
        f"side/mid {level(mix['side_mid_db'])}, {mix['full_scale_share']:.2%} of samples at full scale\n",
        highlight=False,
    )
    table = Table(show_lines=True, expand=True)
    for heading, share in (("track", None), ("sounds", 3), ("plays", 2), ("effects", 5), ("level", None)):
        table.add_column(heading, ratio=share)
    for track in spec.tracks:
        levels = measured["tracks"].get(track.kind, {})
        gains = levels.get("inserts_db", [])
        lines = [
            _one_line(effect_words(effect, settings.sample_rate, gain))
            for effect, gain in zip(track.inserts, [*gains, *[None] * len(track.inserts)], strict=False)
        ]
        for send in track.sends:
            wet = " > ".join(_one_line(effect_words(effect, settings.sample_rate)) for effect in send.effects)
            lines.append(f"send {level(send.level_db)}: {wet}")
        table.add_row(
            track.kind,
            Text("\n".join(_sounds(track, sources))),
            Text(_plays(track, settings)),
            Text("\n".join(lines)),
            level(levels.get("rms_dbfs"), "dBFS"),
        )
    console.print(table)
    master = " > ".join(_one_line(effect_words(effect, settings.sample_rate)) for effect in spec.master)
    console.print(Text(f"master: {master}"))


def _one_line(words: Any) -> str:
    return f"{words.name} {', '.join(words.lines)}"


def _sounds(track: Any, sources: dict[str, Any]) -> list[str]:
    layers = getattr(track, "layers", None)
    named = [(layer.asset, f"{layer.weight:g} x ") for layer in layers] if layers else [(track.asset, "")]
    return [
        f"{weight}{asset} ({', '.join(filter(None, (sources[asset]['kit'], sources[asset]['licence'])))})"
        for asset, weight in named
    ]


def _plays(track: Any, settings: Any) -> str:
    notes = getattr(track, "notes", None)
    if notes is None:
        return f"{track.semitones:+d} semitones, every {track.period_frames / settings.sample_rate:g} s"
    times = ", ".join(f"{settings.onset(note.tick) / settings.sample_rate:.2f}" for note in notes)
    return f"{len(notes)} hits at {times} s"
