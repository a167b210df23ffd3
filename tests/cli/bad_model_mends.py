"""The remedies of the cases of `bad_models.py`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from tests.cli.bad_input_world import Arguments
from tests.cli.bad_token_mends import remake_tokens
from tests.cli.mending import Fault, Mend, again, argument, option, other_out, proposed, remove_it
from tests.cli.model_commands import recipe_of, train, weights, write_song

_OWN_CODEC = option("--codec", Path("codec.pth"))


def _set(file: str, change: Callable[[dict[str, Any]], object]) -> Mend:
    """Change a recipe as the message says."""

    def mend(fault: Fault) -> Arguments:
        content = yaml.safe_load((fault.world / file).read_text())
        change(content)
        (fault.world / file).write_text(yaml.safe_dump(content))
        return fault.arguments

    return mend


def _set_as_told(file: str) -> Mend:
    """Set the key that the message names to the value that it names: "set model.codebooks: 2 in the recipe"."""

    def mend(fault: Fault) -> Arguments:
        match = re.search(r"set ([\w.]+): (.+?) in the recipe", fault.hint)
        assert match, fault.message
        *sections, key = match[1].split(".")

        def change(content: dict[str, Any]) -> None:
            for section in sections:
                content = content[section]
            content[key] = yaml.safe_load(match[2])

        return _set(file, change)(fault)

    return mend


def _encode_as_told(codec: str) -> Mend:
    """Make the tokens by the command in the hint, and give the ``--codec`` that the hint names, if it names one."""

    def mend(fault: Fault) -> Arguments:
        path = fault.world / codec
        if not path.exists():
            books = fault.world / "small.yaml"
            weights(fault.world.folder, codec, n_codebooks=yaml.safe_load(books.read_text())["model"]["codebooks"])
        fault.run(*fault.command({"PATH": path, "CODEC": path}), "--device", "cpu")
        chosen = re.search(r"give --codec ([\w-]+)", fault.hint)
        if chosen is None:
            return fault.arguments
        return fault.option("--codec", path if chosen[1] == "PATH" else chosen[1])

    return mend


def _finish_encoding(fault: Fault) -> Arguments:
    fault.run(*fault.command())
    fault.run("encode", fault.world.out, "--codec", fault.world / "codec.pth", "--device", "cpu", "--batch", 4)
    return fault.arguments


def _build_more(fault: Fault) -> Arguments:
    """Build with pairs of the splits that the message names, but fewer."""
    assert re.search(r"in another folder: --pairs train=\d+,valid=\d+", fault.hint)
    other = fault.world / "more"
    codec = ("--codec", fault.world / "codec.pth", "--device", "cpu")
    fault.run(*fault.world.build(*codec, out=other, pairs="train=4,valid=1"))
    return fault.option("--data", other)


def _other_tokens(fault: Fault) -> Arguments:
    """Give tokens of a codec that has as many codebooks as the recipe asks for."""
    codec = weights(fault.world.folder, "wide.pth", n_codebooks=4)
    fault.run("encode", fault.world.out, "--codec", codec, "--device", "cpu")
    return fault.option("--codec", "wide")


def _key_as_explained(fault: Fault) -> Arguments:
    """Correct the key after a look into the recipe that the message names."""
    example = re.search(r"see (\S+), where", fault.hint)
    assert example, fault.message
    assert "width" in yaml.safe_load(Path(example[1]).read_text())["model"]
    return _set("small.yaml", lambda content: content["model"].update(width=content["model"].pop("wdith")))(fault)


def _lower_rate(fault: Fault) -> Arguments:
    _set("small.yaml", lambda content: content["schedule"].update(learning_rate=0.01))(fault)
    return other_out(fault)


def _move_away(fault: Fault) -> Arguments:
    """Move the file that the message is about: "or move this file away"."""
    path = Path(fault.message.removeprefix("Error: ").partition(": ")[0])
    path.rename(fault.world / "moved")
    return fault.arguments


def _model_of(fault: Fault) -> Arguments:
    """Train a model of the instrument that the message asks for."""
    match = re.search(r"give a checkpoint for (\w+)", fault.hint)
    assert match, fault.message
    fault.run(*train(fault.world, instruments=[match[1]]))
    return fault.option("--checkpoint", fault.world / "new" / f"{match[1]}.pth")


def _import_as_told(fault: Fault) -> Arguments:
    fault.run(*fault.command({"DIR": fault.world / "imported"}))
    return fault.option("--checkpoint", fault.world / "imported")


def _plain_weights(fault: Fault) -> Arguments:
    """Run the line of Python in the hint, and import what it writes."""
    match = re.search(r"(torch\.save\(.*'kick\.ckpt'\))", " ".join(fault.hint.split()))
    assert match, fault.message
    code = match[1].replace("FILE", repr(str(fault.arguments[2]))).replace("'kick.ckpt'", "PLAIN")
    plain = fault.world / "plain" / "kick.ckpt"
    plain.parent.mkdir()
    exec(code, {"torch": torch, "PLAIN": plain})
    return fault.argument(2, plain)


def _licensed_library(fault: Fault) -> Arguments:
    """Give another library, under the licence that the recipe allows."""
    other = fault.world / "licensed"
    shutil.copytree(fault.world.library.parent, other)
    manifest = other / "library.csv"
    manifest.write_text(manifest.read_text().replace("CC0-1.0", "MIT").replace("CC-BY-4.0", "MIT"))
    return fault.option("--library", manifest)


def _named_file(fault: Fault) -> Arguments:
    return fault.argument(2, fault.hint.strip().removeprefix("give "))


_GOOD_SONG = again(lambda world: write_song(world.folder))
_NEW_STATE: Sequence[Mend] = (remove_it, other_out)

MENDS: dict[str, Sequence[Mend]] = {
    "train without tokens": [_encode_as_told("codec.pth")],
    "train with tokens of no such codec": [
        proposed("--codec", r"there are ([\w-]+)"),
        _encode_as_told("dac.pth"),
    ],
    "train before all tokens are made": [_finish_encoding],
    "train without pairs to validate": [_build_more],
    "train with a tar of tokens that was cut": [remake_tokens],
    "more devices than pairs": [option("--devices", 1)],
    "a model for another number of codebooks": [_set_as_told("small.yaml"), _other_tokens],
    "a model for other windows": [_set_as_told("small.yaml")],
    "a model of an instrument that the data set lacks": [
        _set("small.yaml", lambda content: content["instruments"].remove("clap"))
    ],
    "`--instrument kik`": [proposed("--instrument", r"did you mean '(\w+)'")],
    "one instrument of a model for two": [option("--instrument"), _set_as_told("small.yaml")],
    "train with `--device tpu`": [proposed("--device", r"choose auto, (cpu)")],
    "an unknown key in a model's recipe": [_key_as_explained],
    "begin two models from one": [proposed("--instrument", r"give --instrument (\w+)")],
    "begin from a model of another size": [again(recipe_of), option("--begin-from")],
    "begin from a model of another codec": [_encode_as_told("second.pth")],
    "a learning rate that is far too high": [_lower_rate],
    "train where another model was trained": [again(recipe_of), other_out],
    "a training's state that was cut": _NEW_STATE,
    "extract with models that are not there": [
        option("--checkpoint", Path("models")),
        option("--checkpoint", Path("models/kick.pth")),
    ],
    "extract with two models of kicks": [
        option("--checkpoint", Path("models/kick.pth")),
        option("--checkpoint", Path("models/second.pth")),
    ],
    "extract what no model extracts": [_model_of],
    "extract with a codec that is nowhere named": [_OWN_CODEC],
    "extract with another codec than the model's": [_OWN_CODEC],
    "extract with a published model": [_import_as_told],
    "a song that is too short": [_GOOD_SONG],
    "a silent song": [_GOOD_SONG],
    "a song with NaN samples": [_GOOD_SONG],
    "extract to where a sound of one's own is": [other_out, _move_away],
    "`--at 99`, after the song": [option("--at", 0.5)],
    "`--windows 0`": [proposed("--windows", r"give (\d+) to")],
    "tries with `--temperature 0`": [
        proposed("--temperature", r"such as (\d+)"),
        proposed("--tries", r"--tries (\d+)"),
    ],
    "evaluate on a split that is not there": [proposed("--split", r"choose train, (\w+)")],
    "evaluate with a codec that is nowhere named": [_OWN_CODEC],
    "evaluate with another codec than the model's": [_OWN_CODEC],
    "`--json` is a folder": [option("--json", Path("distances.json"))],
    "fetch a codec that is not known": [argument(2, lambda _: "mini")],
    "show a folder with a codec": [_named_file],
    "train a codec without a sound under an allowed licence": [
        _licensed_library,
        _set("codec.yaml", lambda content: content["sounds"].update(licences=["CC-BY-4.0", "CC0-1.0"])),
    ],
    "train a codec with `--device tpu`": [proposed("--device", r"choose auto, (cpu)")],
    "train a codec where another was trained": [other_out],
    "a codec training's state that was cut": _NEW_STATE,
    "begin from a codec of another shape": [_set_as_told("codec.yaml")],
    "import a model whose name does not say what it extracts": [
        proposed("--instrument", r"one of (\w+), snare"),
    ],
    "import with `--heads 5`": [option("--heads", 4)],
    "import a model that holds objects": [_plain_weights],
    "import to where another model is": [other_out, _move_away],
}
