"""Options and arguments that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rmod_pipeline.storage import parse_local_path, parse_location

WHAT, WHERE, HOW, TOKENS = "What is made", "Where it runs", "How it runs", "Tokens"
NONE = "none"

# A Location is a path or a store's path. Typer knows no unions, and calls the parser in any case.
DataArgument = Annotated[
    Any,
    typer.Argument(
        metavar="OUT", parser=parse_location, help="What `rmod build --out` wrote: a folder, or s3://bucket/data."
    ),
]
DataOption = Annotated[
    Any,
    typer.Option(
        "--data", metavar="OUT", parser=parse_location, help="A data set with tokens: a folder, or s3://bucket/data."
    ),
]
FilesOption = Annotated[
    Any, typer.Option("--out", metavar="DIR", parser=parse_location, help="The folder for the files; made if missing.")
]
LibraryOption = Annotated[
    str,
    typer.Option(
        "--library",
        metavar="LIBRARY",
        help="`builtin`, a manifest that `rmod library scan` wrote, or a folder of sounds.",
        rich_help_panel=WHAT,
    ),
]
GroovesOption = Annotated[
    str | None,
    typer.Option(
        "--grooves",
        metavar="GROOVES.csv",
        help="For a recipe that plays grooves: the manifest that `rmod patterns scan` wrote.",
        rich_help_panel=WHAT,
    ),
]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="A pair, such as train-00000012.")]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="What applies the effects: pedalboard, fused (the same, faster) or console.",
    ),
]
ClassifierOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="PATH",
        parser=parse_local_path,
        help="Another classifier, or the folder of its training. Default: the one that comes with rmod.",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OpenFlag = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")]

ExecutorOption = Annotated[
    str | None,
    typer.Option(
        metavar="local|ray",
        help="Processes of this machine, or a Ray cluster. Default: ray if an address is set, else local.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The address of a Ray cluster; `auto` is the one on this machine.",
        rich_help_panel=WHERE,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Number of shards built at a time, at most one per core. Default: 1; on a cluster, all its cores.",
        rich_help_panel=WHERE,
    ),
]
ShardMinutesOption = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES",
        help="Kill a worker that takes longer over one shard, and try the shard once more. Default: no limit.",
        rich_help_panel=WHERE,
    ),
]

CodecOption = Annotated[
    str, typer.Option(metavar="NAME|PATH", help="mini, dac-44khz, or the path or address of a dac checkpoint.")
]
DeviceOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="cpu, cuda or cuda:1; auto uses a GPU if there is one.", rich_help_panel=TOKENS),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="fp32, tf32 (GPU) or bf16. The last two are faster and change some tokens. Default: fp32.",
        rich_help_panel=TOKENS,
    ),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Sounds encoded at once; part of the fingerprint. Default: 1 on a CPU, 16 on a GPU.",
        rich_help_panel=TOKENS,
    ),
]
CompileFlag = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the encoder with torch first; takes a minute. Default: no.",
        show_default=False,
        rich_help_panel=TOKENS,
    ),
]
ChannelsLastFlag = Annotated[
    bool | None,
    typer.Option(
        "--channels-last/--no-channels-last",
        help="Lay out the convolutions of a dac.DAC by time; may change tokens. Default: no.",
        show_default=False,
        rich_help_panel=TOKENS,
    ),
]
EncodersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Number of encoder processes: GPUs or cores. Default: all GPUs; on a CPU, one per four workers.",
        rich_help_panel=TOKENS,
    ),
]
PlainDeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="cpu, cuda or cuda:1; auto uses a GPU if there is one.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", metavar="N", min=1, help="Processor cores to use.")]
