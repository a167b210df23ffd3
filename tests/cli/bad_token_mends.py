"""The remedies of the cases of `bad_tokens.py`."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.cli.bad_input_world import FOUND, Arguments
from tests.cli.bad_tokens import encode, weights
from tests.cli.mending import Fault, Mend, argument, listed_key, option, other_out, proposed, removed
from tests.tiny_build import RATE
from tests.tiny_codec import TINY


def _good_weights(fault: Fault) -> Arguments:
    return fault.option("--codec", weights(fault.world, "good.pth"))


def _other_sample_rate(fault: Fault) -> Arguments:
    """Set the codec's sample rate in the recipe, build again, and encode that."""
    rate = re.search(r"set sample_rate: (\d+)", fault.message)
    assert rate, fault.message
    recipe = fault.world.recipe(lambda text: text.replace("22050", rate[1]))
    fault.run(*fault.world.build(recipe=recipe, out=fault.world / "other", pairs="train=1"))
    return fault.argument(1, fault.world / "other")


def _build_first(fault: Fault) -> Arguments:
    fault.world.built()
    return fault.arguments


def _build_with_codec(fault: Fault) -> Arguments:
    """Give the build command again with this codec: the one of a build without audio."""
    shutil.rmtree(fault.world.out)
    return fault.world.build("--no-audio", "--codec", weights(fault.world), "--device", "cpu", pairs="train=2")


def _encode_as_told(fault: Fault) -> Arguments:
    """Make the tokens by the command in the hint. Their codec has no known name, so `decode` needs its path."""
    codec = weights(fault.world)
    fault.run(*fault.command({"PATH": codec}), "--device", "cpu")
    return fault.option("--codec", codec)


def remake_tokens(fault: Fault) -> Arguments:
    """Verify, as the hint says, remove what that names, and encode again."""
    report = fault.run(*fault.command(), codes=(FOUND,))
    line = next(line for line in report.out.splitlines() if line.strip().startswith("rm "))
    for name in shlex.split(line)[1:]:
        Path(name).unlink()
    fault.run(*encode(fault.world, fault.world / "codec.pth", "--batch", 4))
    return fault.arguments


def _chosen_family(fault: Fault) -> Arguments:
    """Name one of the families. It has no known name, so the next message asks for its weights."""
    family = re.search(r"families of tokens: ([\w-]+),", fault.message)
    assert family, fault.message
    said = fault.run(*fault.option("--codec", family[1]), codes=(2,))
    assert "give the path of its weights: --codec PATH" in said.err
    return fault.option("--codec", fault.world / "codec.pth")


def _small_codec_recipe(fault: Fault) -> Arguments:
    """Give a path, of a recipe that is trained in seconds."""
    shape = {**TINY, "sample_rate": RATE, "n_codebooks": 2, "codebook_size": 16}
    sounds = {
        "licences": ["CC0-1.0", "CC-BY-4.0"],
        "mixes": {str(fault.world.recipe()): 1},
        "held_out_mixes": 1,
        "crop_frames": 1024,
    }
    schedule = {"steps": 2, "batch": 1, "warm_up_steps": 1, "fits": 1}
    losses = {"windows": [64, 256], "mels": [5, 10]}
    recipe = {"name": "small", "shape": shape, "sounds": sounds, "losses": losses, "schedule": schedule}
    (fault.world / "small.yaml").write_text(yaml.safe_dump(recipe))
    return fault.argument(2, fault.world / "small.yaml")


_MADE_WITH = option("--codec", Path("codec.pth"))

MENDS: dict[str, Sequence[Mend]] = {
    "`--codec minni`": [_good_weights],
    "weights that were not fetched": [_good_weights],
    "weights that are text": [_good_weights],
    "weights cut short": [_good_weights],
    "weights with code in them": [_good_weights],
    "a codec for another sample rate": [_good_weights, _other_sample_rate],
    "`--batch 0`": [proposed("--batch", r"give (\d+) or more", "--device", "cpu")],
    "`--precision fp64`": [proposed("--precision", r"choose (\w+),", "--device", "cpu")],
    "`--device gpu`": [proposed("--device", r"choose auto, (cpu)")],
    "tokens made in other batches": [option("--batch", 4), removed],
    "tokens of other weights in a folder of that name": [removed],
    "encode a folder without a data set": [_build_first],
    "encode a data set that keeps no sound": [_build_with_codec],
    "`--no-audio` without a codec": [
        lambda fault: [*fault.arguments, "--codec", weights(fault.world), "--device", "cpu"],
    ],
    "decode what has no tokens": [_encode_as_told],
    "decode with weights that are nowhere named": [_MADE_WITH],
    "decode a key that is not there": [listed_key(2)],
    "decode one of two codecs' tokens, and not say which": [_chosen_family],
    "decode with a codec of another hop": [_MADE_WITH],
    "decode with a codec of fewer codebooks": [_MADE_WITH],
    "decode a token that cannot be": [remake_tokens],
    "decode to where a file is": [other_out],
    "show a codec that is not there": [argument(2, lambda _: "mini")],
    "train a codec by no recipe": [_small_codec_recipe],
}
