"""The cases of `test_bad_input.py`: what is done, and what the message says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.bad_curation import CURATION_CASES
from tests.cli.bad_ears import EAR_CASES
from tests.cli.bad_evaluations import EVALUATION_CASES
from tests.cli.bad_grooves import GROOVE_CASES
from tests.cli.bad_imports import CASES as IMPORT_CASES
from tests.cli.bad_input_acts import (
    broken_build_json,
    built_with,
    changed,
    empty_folder,
    few_kicks,
    foreign_receipt,
    half_a_tar,
    holding,
    library_moved,
    make_pair_a_folder,
    no_build_json,
    options,
    other_checksum,
    other_library,
    other_recipe,
    other_sound,
    out_is_a_file,
    pair_text,
    recipe,
    render_to_a_file,
    row,
    scan,
    show,
    snare_first,
    spec,
    text_among_sounds,
    text_as_sound,
    torn_group,
    vanished,
    without_column,
)
from tests.cli.bad_input_mends import MENDS
from tests.cli.bad_input_world import DONE, FOUND, Case, World, text_file
from tests.cli.bad_models import CASES as MODEL_CASES
from tests.cli.bad_releases import CASES as RELEASE_CASES
from tests.cli.bad_tokens import CASES as TOKEN_CASES
from tests.tiny_build import make_library

RELEASES = "Releases and reports"

GROUPS: dict[str, list[Case]] = {
    "Sounds and manifests": [
        Case(name="scan a folder that is not there", act=scan, says=("sounds", "no such folder", "->")),
        Case(
            name="scan a file",
            act=lambda world: ["library", "scan", world.library, "--out", world / "x.csv"],
            says=("library.csv", "is a file", "->"),
        ),
        Case(name="scan an empty folder", act=empty_folder, says=("sounds", "no audio", "->")),
        Case(name="scan a text file called `.wav`", act=text_as_sound, says=("no file can be used", "->")),
        Case(
            name="scan a text file called `.wav` among sounds",
            act=text_among_sounds,
            says=("dropped 1: not readable as audio",),
            code=DONE,
        ),
        Case(
            name="a manifest with an absolute path",
            act=row("path", "/etc/passwd"),
            says=("line 4, column path", "is absolute", "->"),
        ),
        Case(
            name="a manifest with a path through `..`",
            act=row("path", "../../secret.wav"),
            says=("line 4, column path", "leaves the folder", "->"),
        ),
        Case(
            name="a manifest with one id twice",
            act=row("id", "bass/test-0"),
            says=("column id", "'bass/test-0' is in line", "->"),
        ),
        Case(name="a manifest without a column", act=without_column, says=("no column 'licence'", "->")),
        Case(
            name="no such manifest",
            act=lambda world: world.build(library=world / "none.csv"),
            says=("none.csv", "no such file", "->"),
        ),
        Case(
            name="the built-in kit, spelt otherwise",
            act=lambda world: world.build(library="bultin", pairs="train=1"),
            says=("bultin: no such file", "(did you mean 'builtin'?)"),
        ),
        Case(
            name="too few one-shots to layer",
            act=few_kicks,
            says=("train has only 1 kick, 2 needed", "valid has no kick, 2 needed", "->"),
            finished=0,
        ),
        Case(
            name="a group of sounds that a hand has put on two sides of a split",
            act=torn_group,
            says=("group valid-0-kick is in train and valid", "->"),
            finished=0,
        ),
        Case(
            name="a source file that vanished since the scan",
            act=vanished,
            says=("kick/train-0.wav", "no such file", "->", "Mend the cause above"),
            code=FOUND,
        ),
        Case(
            name="a source file that changed since the scan",
            act=changed,
            says=("kick/train-0.wav", "changed since the scan", "->", "Mend the cause above"),
            code=FOUND,
        ),
        Case(
            name="a source with NaN samples",
            act=holding(float("nan")),
            says=("kick/train-0.wav", "NaN or infinite samples", "->", "Mend the cause above"),
            code=FOUND,
        ),
        Case(
            name="a source with infinite samples",
            act=holding(float("inf")),
            says=("kick/train-0.wav", "NaN or infinite samples", "->", "Mend the cause above"),
            code=FOUND,
        ),
    ],
    "Recipes": [
        Case(
            name="no such recipe",
            act=lambda world: world.build(recipe="quik"),
            says=("quik", "did you mean 'quick'?", "->"),
        ),
        Case(
            name="an unknown key",
            act=recipe("hits: [1, 2]", "hit: [1, 2]"),
            says=("line 8", "unknown key 'hit' (did you mean 'hits'?)"),
            finished=0,
        ),
        Case(
            name="an unknown effect",
            act=recipe("effect: limiter", "effect: limitr"),
            says=("unknown effect 'limitr' (did you mean 'limiter'?)",),
            finished=0,
        ),
        Case(
            name="a negative probability",
            act=recipe("presence: 0.6", "presence: -0.6"),
            says=("presence", "-0.6"),
            finished=0,
        ),
        Case(
            name="a range out of order",
            act=recipe("gain_db: [-12, -6]", "gain_db: [-6, -12]"),
            says=("out of order: -6 > -12",),
            finished=0,
        ),
        Case(
            name="a kind that the library lacks",
            act=recipe("snare:", "snares:"),
            says=("no snares at all (did you mean 'snare'?)", "->"),
            finished=0,
        ),
        Case(
            name="a kind called mix, as the mixture is",
            act=lambda world: world.build(recipe=world.recipe(lambda text: text.replace("bass:", "mix:"))),
            says=("a kind has the name 'mix'", "->"),
            finished=0,
        ),
        Case(name="text that is no YAML", act=recipe("drums:", "drums: ["), says=("line", "invalid YAML"), finished=0),
    ],
    "A folder that holds another data set": [
        Case(
            name="of another seed", act=built_with(options=("--seed", 1)), says=("seed: existing 0, requested 1", "->")
        ),
        Case(
            name="of another shard size",
            act=built_with(shard_size=4),
            says=("shard_size: existing 3, requested 4", "->"),
            finished=5,
        ),
        Case(
            name="of other numbers of pairs",
            act=built_with(pairs="train=20"),
            says=("pairs.train: existing 10, requested 20", "->"),
            finished=5,
        ),
        Case(
            name="in another format",
            act=built_with(options=("--format", "flac")),
            says=('format: existing "wav", requested "flac"', "->"),
        ),
        Case(
            name="of another recipe",
            act=other_recipe("presence: 0.6", "presence: 0.5"),
            says=("recipe.loops.bass.presence: existing 0.6, requested 0.5", "->"),
            finished=5,
        ),
        Case(
            name="of a recipe with its drums in another order",
            act=lambda world: world.built().build(recipe=world.recipe(snare_first)),
            says=("recipe.drums: existing order kick, snare; requested order snare, kick", "->"),
            finished=5,
        ),
        Case(name="of another library", act=other_library, says=("library.digest: existing", "->"), finished=5),
        Case(
            name="with receipts of another data set",
            act=foreign_receipt,
            says=("train-000000.json", "is a receipt of another data set", "->"),
            finished=5,
        ),
        Case(
            name="without its build.json",
            act=no_build_json,
            says=("has audio, index, receipts but no build.json", "->"),
            finished=5,
        ),
        Case(name="with half a build.json", act=broken_build_json, says=("build.json", "->"), finished=5),
    ],
    "Options of a build": [
        Case(name="`--out` is a file", act=out_is_a_file, says=("--out", "is a file", "->")),
        Case(
            name="`--out` below a file",
            act=lambda world: world.build(out=text_file(world / "file") / "out"),
            says=("file/out", "cannot be written", "->"),
        ),
        Case(
            name="more pairs than the disk has room for",
            act=options(pairs="train=100000000", shard_size=1000000),
            says=("GB needed", "GB free", "->"),
            finished=0,
        ),
        Case(name="`--pairs train=-5`", act=options(pairs="train=-5"), says=("--pairs", "'-5' is not a number", "->")),
        Case(
            name="`--pairs train=abc`", act=options(pairs="train=abc"), says=("--pairs", "'abc' is not a number", "->")
        ),
        Case(name="`--pairs train=0`", act=options(pairs="train=0"), says=("--pairs", "no pairs at all", "->")),
        Case(name="`--pairs foo=3`", act=options(pairs="foo=3"), says=("--pairs", "unknown split 'foo'", "->")),
        Case(
            name="`--pairs tain=3`",
            act=options(pairs="tain=3"),
            says=("unknown split 'tain' (did you mean 'train'?)", "->"),
        ),
        Case(
            name="`--pairs train=1,train=2`",
            act=options(pairs="train=1,train=2"),
            says=("--pairs", "'train' occurs twice", "->"),
        ),
        Case(name="`--pairs` with 5,000 digits", act=options(pairs="train=" + "9" * 5000), says=("--pairs", "->")),
        Case(name="`--workers 0`", act=options("--workers", 0), says=("--workers", "0 is too small", "->")),
        Case(name="`--workers -1`", act=options("--workers", -1), says=("--workers", "-1 is too small", "->")),
        Case(name="`--workers two`", act=options("--workers", "two"), says=("--workers", "a valid integer")),
        Case(name="`--shard-size 0`", act=options(shard_size=0), says=("--shard-size", "0 is too small", "->")),
        Case(
            name="more shards than six digits can number",
            act=options(pairs="train=3000000", shard_size=1),
            says=("--shard-size", "1 is too small", "give 3 or more"),
        ),
        Case(name="`--format mp3`", act=options("--format", "mp3"), says=("--format", "unknown 'mp3'", "wav or flac")),
        Case(name="`--engine foo`", act=options("--engine", "foo"), says=("--engine", "unknown 'foo'", "->")),
        Case(
            name="`--cache-gb nan`",
            act=options("--cache-gb", "nan"),
            says=("--cache-gb", "nan is not", "->"),
        ),
        Case(name="`--cache-gb -1`", act=options("--cache-gb", -1), says=("--cache-gb", "-1.0 is too small", "->")),
        Case(name="an unknown option", act=options("--worker", 2), says=("--worker",)),
    ],
    "Grooves": GROOVE_CASES,
    "Codecs and tokens": TOKEN_CASES,
    "Models": MODEL_CASES,
    "Features, ears and picked sounds": EAR_CASES,
    "Folders of sounds by ear": CURATION_CASES,
    "Folders of pairs": IMPORT_CASES,
    "Evaluations": EVALUATION_CASES,
    "Looking at a data set": [
        Case(
            name="verify a folder without a data set",
            act=lambda world: ["verify", world.folder],
            says=("build.json", "no data set here", "->"),
        ),
        Case(
            name="verify a folder that is not there",
            act=lambda world: ["verify", world / "none"],
            says=("none/build.json", "no data set here", "->"),
        ),
        Case(
            name="render again when the library has moved",
            act=library_moved,
            says=("--library", "is no longer at", "->"),
        ),
        Case(
            name="show a key that is not there",
            act=show("train-00000099"),
            says=("train-00000099", "12 from train-00000000 to valid-00000001", "->"),
        ),
        Case(name="show what is no key", act=show("../../x"), says=("../../x", "is not the key of a pair", "->")),
        Case(
            name="show a pair of a tar cut in half", act=half_a_tar, says=("train-000000.tar", "not a whole tar", "->")
        ),
        Case(name="ask for the JSON of no pair", act=show("--json"), says=("no pair is named", "->")),
    ],
    RELEASES: RELEASE_CASES,
    "A pair's JSON, to render": [
        Case(name="no such file", act=World.render, says=("pair.json", "no such file", "->")),
        Case(name="a folder", act=make_pair_a_folder, says=("is a folder", "->")),
        Case(name="a file that is no JSON", act=pair_text("hello"), says=("pair.json", "Invalid JSON", "->")),
        Case(name="a file that is no text", act=pair_text(b"\xff\x00RIFF"), says=("pair.json", "->")),
        Case(name="a list", act=pair_text("[1, 2]"), says=("pair.json", "->")),
        Case(name="a hundred thousand brackets", act=pair_text("[" * 100_000), says=("pair.json", "->")),
        Case(
            name="a mixture of 2^28 frames",
            act=spec("settings", "frames", value=2**28),
            says=("settings.frames", "at most", "->"),
        ),
        Case(
            name="a loop repeated every 2^28 frames",
            act=spec("loops", 0, "period_frames", value=2**28),
            says=("period_frames", "at most", "->"),
        ),
        Case(
            name="a split called `../../x`",
            act=spec("address", "split", value="../../x"),
            says=("address.split", "->"),
        ),
        Case(
            name="a kind called `../../x`",
            act=spec("drums", 0, "kind", value="../../x"),
            says=("drums.0", "kind", "->"),
        ),
        Case(
            name="a kind called mix",
            act=spec("drums", 0, "kind", value="mix"),
            says=("a kind has the name 'mix'", "->"),
        ),
        Case(name="a kind with 200 letters", act=spec("drums", 0, "kind", value="k" * 200), says=("200 letters", "->")),
        Case(
            name="two tracks of one name",
            act=spec("drums", 0, "kind", value="snare"),
            says=("two tracks are called snare", "->"),
        ),
        Case(
            name="an unknown effect",
            act=spec("master", "+", value={"effect": "echo"}),
            says=("master.1", "echo", "->"),
        ),
        Case(
            name="an unknown engine",
            act=spec("settings", "engine", value="steam"),
            says=("unknown 'steam'", "->"),
        ),
        Case(
            name="a gain that is no number",
            act=spec("master", "+", value={"effect": "gain", "gain_db": float("nan"), "match_rms": False}),
            says=("train-0000000", "NaN", "->"),
        ),
        Case(
            name="a gain beyond all bounds",
            act=spec("master", "+", value={"effect": "gain", "gain_db": 1e300, "match_rms": False}),
            says=("pair.json", "->"),
        ),
        Case(
            name="hits beyond the grid",
            act=spec("drums", 0, "notes", value=[{"tick": 10**9, "velocity": 100}]),
            says=("notes", "grid", "->"),
        ),
        Case(
            name="a sound that the library lacks",
            act=spec("drums", 0, "layers", 0, "asset", value="kick/train-9"),
            says=("no sound 'kick/train-9'", "->"),
        ),
        Case(
            name="a loop that the library lacks",
            act=spec("loops", 0, "asset", value="bass/train-9"),
            says=("no sound 'bass/train-9'", "->"),
        ),
        Case(name="a sound with another checksum", act=other_checksum, says=("the spec needs", "->")),
        Case(name="a sound whose file has changed", act=other_sound, says=("changed since the scan", "->")),
        Case(name="`--out` is a file", act=render_to_a_file, says=("cannot be written", "->")),
    ],
}


def all_cases() -> list[tuple[str, Case]]:
    return [(group, replace(case, mends=MENDS[group][case.name])) for group, cases in GROUPS.items() for case in cases]


def make_world(folder: Path) -> World:
    """Return a folder with a library of its own, which the case may spoil."""
    make_library(folder / "library")
    return World(folder)
