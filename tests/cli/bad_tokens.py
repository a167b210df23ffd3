"""Bad input about codecs and tokens: a group of the cases of `bad_input.py`."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.jobs.encode import EncodeJob
from rmod_pipeline.pipeline.run import run_on_audio
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.tokens import encode_codes
from tests.cli.bad_input_world import Arguments, Case, World, text_file
from tests.tiny_build import RATE, make_job, on_disk
from tests.tiny_codec import encoding_of, save_tiny

KEY = "train-00000000"


class Bomb:
    """What a pickle with code in it looks like."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploded",)


def weights(world: World, name: str = "codec.pth", **changes: Any) -> Path:
    return save_tiny(world / name, **{"sample_rate": RATE, **changes})


def encode(world: World, codec: object, *options: object) -> Arguments:
    return ["encode", world.out, "--codec", codec, "--device", "cpu", *options]


def encode_with(make: Callable[[World], object], *options: object) -> Callable[[World], Arguments]:
    return lambda world: encode(world.built(), make(world), *options)


def encode_options(*options: object) -> Callable[[World], Arguments]:
    return lambda world: ["encode", world.built().out, "--codec", weights(world), *options]


def encoded(world: World) -> Path:
    """Build the small data set and its tokens, four sounds at once; return the codec's weights."""
    world.built()
    codec = weights(world)
    job = make_job(world.library, world.out)
    work = EncodeJob(out=world.out, encoding=encoding_of(job, codec))
    run_on_audio(work, local_executor(1), BuildProgress())
    return codec


def other_weights_by_that_name(world: World) -> Arguments:
    codec = encoded(world)
    path = Layout(world.out).codec(f"tokens/{family_names(world.out)[0]}")
    said = json.loads(path.read_bytes())
    said["codec"]["sha256"] = "0" * 64
    on_disk(path).write_text(json.dumps(said))
    return encode(world, codec, "--batch", 4)


def cut(world: World) -> Path:
    path = weights(world)
    path.write_bytes(path.read_bytes()[:3000])
    return path


def bomb(world: World) -> Path:
    (world / "bomb.pth").write_bytes(pickle.dumps({"state_dict": Bomb()}, protocol=2))
    return world / "bomb.pth"


def decode(world: World, key: str, *options: object) -> Arguments:
    return ["decode", world.out, key, "--out", world / "listen", *options]


def decode_a_token_out_of_range(world: World) -> Arguments:
    codec = encoded(world)
    tar = Layout(world.out).tar("train-000000", f"tokens/{family_names(world.out)[0]}")
    pairs = list(read_tar(tar))
    with TarWriter(on_disk(tar)) as writer:
        for key, members in pairs:
            writer.add(key, {**members, "kick.npy": encode_codes(np.full((9, 90), 5000, np.uint16))})
    return decode(world, KEY, "--codec", codec)


def decode_with_another_hop(world: World) -> Arguments:
    encoded(world)
    other = weights(world, "other.pth", encoder_rates=[4, 4, 4, 4], decoder_rates=[4, 4, 4, 4])
    return decode(world, KEY, "--codec", other)


def decode_with_other_codebooks(world: World) -> Arguments:
    encoded(world)
    return decode(world, KEY, "--codec", weights(world, "other.pth", n_codebooks=4))


def decode_to_a_file(world: World) -> Arguments:
    codec = encoded(world)
    text_file(world / "listen")
    return decode(world, KEY, "--codec", codec)


def decode_one_of_two(world: World) -> Arguments:
    encoded(world)
    tokens = world.out / "tokens"
    shutil.copytree(tokens / family_names(world.out)[0], tokens / "other-00000000")
    return decode(world, KEY)


def encode_what_has_no_sound(world: World) -> Arguments:
    fingerprint = world.built().out / "build.json"
    fingerprint.write_text(fingerprint.read_text().replace('"audio": true', '"audio": false'))
    return encode(world, weights(world))


CASES = [
    Case(
        name="`--codec minni`",
        act=encode_with(lambda _: "minni"),
        says=("minni", "no such codec (did you mean 'mini'?), and no such file", "->"),
    ),
    Case(
        name="weights that were not fetched",
        act=encode_with(lambda _: "dac-44khz"),
        says=("dac-44khz", "its weights are not at", "rmod codec fetch dac-44khz"),
    ),
    Case(
        name="weights that are text",
        act=encode_with(lambda world: text_file(world / "codec.pth")),
        says=("codec.pth", "->"),
    ),
    Case(name="weights cut short", act=encode_with(cut), says=("codec.pth", "not a checkpoint, or a broken one", "->")),
    Case(
        name="weights with code in them",
        act=encode_with(bomb),
        says=("bomb.pth", "loading it would run code, so it is refused", "->"),
    ),
    Case(
        name="a codec for another sample rate",
        act=encode_with(lambda world: weights(world, sample_rate=44_100)),
        says=("22050 Hz, but the codec", "takes 44100 Hz", "->"),
    ),
    Case(name="`--batch 0`", act=encode_options("--batch", 0), says=("--batch", "0 is too small", "->")),
    Case(name="`--precision fp64`", act=encode_options("--precision", "fp64"), says=("--precision", "'fp64'", "->")),
    Case(name="`--device gpu`", act=encode_options("--device", "gpu"), says=("--device", "unknown 'gpu'", "->")),
    Case(
        name="tokens made in other batches",
        act=lambda world: encode(world, encoded(world), "--batch", 8),
        says=("codec.batch: existing 4, requested 8", "->"),
    ),
    Case(
        name="tokens of other weights in a folder of that name",
        act=other_weights_by_that_name,
        says=("codec.sha256: existing", "->"),
    ),
    Case(
        name="encode a folder without a data set",
        act=lambda world: encode(world, weights(world)),
        says=("build.json", "no data set here", "->"),
    ),
    Case(
        name="encode a data set that keeps no sound",
        act=encode_what_has_no_sound,
        says=("keeps no sound that could be encoded", "->"),
    ),
    Case(
        name="`--no-audio` without a codec",
        act=lambda world: world.build("--no-audio"),
        says=("--no-audio", "nothing would be kept", "--codec PATH", "22050 Hz"),
        finished=0,
    ),
    Case(name="decode what has no tokens", act=lambda world: decode(world.built(), KEY), says=("no tokens here", "->")),
    Case(
        name="decode with weights that are nowhere named",
        act=lambda world: (encoded(world), decode(world, KEY))[1],
        says=("--codec", "rmod knows no codec named", "--codec PATH"),
    ),
    Case(
        name="decode a key that is not there",
        act=lambda world: decode(world, "train-00000099", "--codec", encoded(world)),
        says=("train-00000099", "no tokens of it", "->"),
    ),
    Case(
        name="decode one of two codecs' tokens, and not say which",
        act=decode_one_of_two,
        says=("2 families of tokens", "choose one: --codec NAME"),
    ),
    Case(
        name="decode with a codec of another hop",
        act=decode_with_another_hop,
        says=("made with hop 512, the codec", "has 256", "->"),
    ),
    Case(
        name="decode with a codec of fewer codebooks",
        act=decode_with_other_codebooks,
        says=("made with number of codebooks 9, the codec", "has 4", "->"),
    ),
    Case(
        name="decode a token that cannot be",
        act=decode_a_token_out_of_range,
        says=(KEY, "a token is 5000, the codebooks hold 0 to 1023", "->"),
    ),
    Case(name="decode to where a file is", act=decode_to_a_file, says=("listen", "cannot be written", "->")),
    Case(
        name="show a codec that is not there",
        act=lambda world: ["codec", "show", world / "none.pth"],
        says=("none.pth", "no such file", "->"),
    ),
    Case(
        name="train a codec by no recipe",
        act=lambda world: ["codec", "train", "mimi", "--library", world.library, "--out", world / "trained"],
        says=("mimi", "no such codec recipe (did you mean 'mini'?)", "->"),
    ),
]
