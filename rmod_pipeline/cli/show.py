"""`rmod show`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.cli.shared.options import DataArgument, JsonFlag
from rmod_pipeline.errors import quote

MOST_TIMES = 6
"""Hits of a drum that are printed; the JSON holds all of them."""

if TYPE_CHECKING:
    from rmod_pipeline.reading.pairs import StoredPair
    from rmod_pipeline.storage import Location


def show(
    out: DataArgument,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="A pair, such as train-00000012; without it, the data set.")
    ] = None,
    as_json: JsonFlag = False,
    keys: Annotated[bool, typer.Option("--keys", help="Print the keys of all pairs, one per line.")] = False,
) -> None:
    """Print what a pair is made of: sounds, hits, effects, levels. Without a key, summarise the data set.

    Examples:

        rmod show OUT

        rmod show OUT train-00000012

        rmod show OUT --keys | head
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.reading.pairs import list_keys, read_pair

    if keys:
        typer.echo("\n".join(list_keys(out)))
    elif key is None and as_json:
        raise UsageError("--json", "no pair is named", f"`rmod show {quote(out)} --keys` lists them")
    elif key is None:
        _print_data_set(out)
    elif as_json:
        typer.echo(read_pair(out, key).members["json"].decode())
    else:
        _print_checked(read_pair(out, key), out)


def _format_audio(fingerprint: Mapping[str, Any]) -> str:
    if not fingerprint["audio"]:
        return "no audio"
    return f"{fingerprint['format']}{' with stems' if fingerprint['stems'] else ''}"


def _format_origin(fingerprint: Mapping[str, Any]) -> str:
    from rmod_pipeline.shards.fingerprint import is_imported

    recipe = fingerprint["recipe"]
    if is_imported(fingerprint):
        return f"imported from {fingerprint['library']['sounds']} files, {recipe['sample_rate']} Hz"
    return f"recipe {recipe['name']}, seed {fingerprint['seed']}, engine {fingerprint['engine']}"


def _print_data_set(out: Location) -> None:
    from rich.console import Console
    from rich.table import Table

    from rmod_pipeline.pipeline.jobs.disk_space import format_bytes
    from rmod_pipeline.reading.pairs import count_licences, read_receipts
    from rmod_pipeline.shards.families import family_folders
    from rmod_pipeline.shards.fingerprint import read_fingerprint
    from rmod_pipeline.shards.layout import FEATURES, TOKENS, Layout, plan_shards
    from rmod_pipeline.shards.receipt import read_receipt

    fingerprint = read_fingerprint(Layout(out).build)
    recipe, receipts = fingerprint["recipe"], read_receipts(out)
    console = Console(highlight=False, markup=False)
    console.print(f"{out}: {_format_origin(fingerprint)}, {_format_audio(fingerprint)}", soft_wrap=True)
    table = Table("split")
    for heading in ("pairs", "hours", "rejects", "absent", "shards", "size"):
        table.add_column(heading, justify="right")
    for split, count in fingerprint["pairs"].items():
        finished = [receipt for receipt in receipts if receipt.split == split]
        pairs = sum(receipt.pairs for receipt in finished)
        shards = len(plan_shards({split: count}, fingerprint["shard_size"]))
        table.add_row(
            split,
            f"{pairs} of {count}",
            f"{pairs * recipe['seconds'] / 3600:.2f}",
            str(sum(sum(receipt.rejects.values()) for receipt in finished)),
            str(sum(len(receipt.absent) for receipt in finished)),
            f"{len(finished)} of {shards}",
            format_bytes(sum(file.bytes for receipt in finished for file in receipt.files)),
        )
    console.print(table)
    for folder in family_folders(out):
        made = [read_receipt(path) for path in Layout(out).receipts(folder)]
        size = format_bytes(sum(file.bytes for receipt in made for file in receipt.files))
        label = folder.replace(f"{TOKENS}/", "tokens of ").replace(f"{FEATURES}/", "features ")
        console.print(f"{label}: {sum(receipt.pairs for receipt in made)} pairs, {size}", soft_wrap=True)
    licences = ", ".join(f"{licence or '(unknown)'} {count}" for licence, count in count_licences(out).most_common())
    console.print(f"sounds by licence: {licences}", soft_wrap=True)
    first = next(receipt for split in fingerprint["pairs"] for receipt in receipts if receipt.split == split)
    key = f"{first.split}-{first.first:08d}"
    console.print(f"first pair: rmod show {quote(out)} {quote(key)}; all: --keys", soft_wrap=True)


def _print_checked(pair: StoredPair, out: Location) -> None:
    from rmod_pipeline.errors import ShardError, naming_data_set

    try:
        with naming_data_set(out):
            _print_pair(pair)
    except (KeyError, TypeError, AttributeError) as error:
        hint = f"`rmod verify {quote(out)}` says what is damaged"
        raise ShardError(f"{pair.key}.json", f"not the description of a pair: {error!r}", hint) from error


def _print_pair(pair: StoredPair) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rmod_pipeline.pages.preview.formatting import describe_effect, format_level

    spec, content = pair.spec(), pair.description()
    measured, sources = content["measured"], {source["id"]: source for source in content["sources"]}
    mix, settings = measured["mix"], spec.settings
    console = Console(markup=False, highlight=False)
    made = f"recipe {spec.recipe}, seed {spec.address.seed}, attempt {spec.address.attempt}, engine {settings.engine}"
    origin = f"imported, called {spec.original_key} in its folder" if spec.is_imported else made
    console.print(
        f"{pair.key}: {origin}\n{settings.frames / settings.sample_rate:g} s at {settings.sample_rate} Hz: "
        f"{format_level(mix['lufs'], 'LUFS')}, peak {format_level(mix['peak_dbfs'], 'dBFS')}, "
        f"side/mid {format_level(mix['side_mid_db'])}, {mix['full_scale_share']:.2%} of samples at full scale\n"
    )
    table = Table(show_lines=True, expand=True)
    for heading, share in (("track", None), ("sounds", 3), ("plays", 2), ("effects", 5), ("level", None)):
        table.add_column(heading, ratio=share, overflow="fold")
    for track in spec.tracks:
        levels = measured["tracks"].get(track.kind, {})
        gains = levels.get("inserts_db", [])
        lines = [
            _format_effect(describe_effect(effect, settings.sample_rate, gain))
            for effect, gain in zip(track.inserts, [*gains, *[None] * len(track.inserts)], strict=False)
        ]
        for send in track.sends:
            wet = " > ".join(_format_effect(describe_effect(effect, settings.sample_rate)) for effect in send.effects)
            lines.append(f"send {format_level(send.level_db)}: {wet}")
        table.add_row(
            track.kind,
            Text("\n".join(_format_sounds(track, sources))),
            Text(_format_notes(track, settings)),
            Text("\n".join(lines)),
            format_level(levels.get("rms_dbfs"), "dBFS"),
        )
    console.print(table)
    if spec.is_imported:
        return
    master = " > ".join(_format_effect(describe_effect(effect, settings.sample_rate)) for effect in spec.master)
    console.print(Text(f"master: {master}"))


def _format_effect(words: Any) -> str:
    return f"{words.name} {', '.join(words.lines)}"


def _format_sounds(track: Any, sources: dict[str, Any]) -> list[str]:
    layers = getattr(track, "layers", None)
    named = [(layer.asset, f"{layer.weight:g} x ") for layer in layers] if layers else [(track.asset, "")]
    return [
        f"{weight}{asset} ({', '.join(filter(None, (sources[asset]['kit'], sources[asset]['licence'])))})"
        for asset, weight in named
    ]


def _format_notes(track: Any, settings: Any) -> str:
    notes = getattr(track, "notes", None)
    if notes is None:
        shift = f"{track.semitones:+d}".replace("-", "−") if track.semitones else "0"
        return f"{shift} st, every {track.period_frames / settings.sample_rate:g} s"
    if not notes:
        return "hits unknown"
    times = ", ".join(f"{settings.onset(note.tick) / settings.sample_rate:.2f}" for note in notes[:MOST_TIMES])
    more = f" and {len(notes) - MOST_TIMES} more" if len(notes) > MOST_TIMES else ""
    return f"{len(notes)} {'hit' if len(notes) == 1 else 'hits'} at {times} s{more}"
