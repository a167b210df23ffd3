"""What the cases of `bad_models.py` do to a world."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from rmod_pipeline.codec import open_codec
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.token_family import family_names
from tests.cli.bad_input_world import Arguments, World, text_file
from tests.cli.model_commands import (
    cut,
    evaluate,
    extract,
    import_model,
    models,
    published,
    train,
    train_codec,
    weights,
    write_song,
)
from tests.tiny_build import RATE, on_disk

Act = Callable[[World], Arguments]


def training(*options: object, **changes: Any) -> Act:
    return lambda world: train(models(world), *options, **changes)


def without_tokens(world: World) -> Arguments:
    models(world)
    shutil.rmtree(world.out / "tokens")
    shutil.rmtree(world.out / "receipts" / "tokens")
    return train(world)


def tokens(world: World) -> str:
    return f"tokens/{family_names(models(world).out)[0]}"


def unfinished_tokens(world: World) -> Arguments:
    on_disk(Layout(world.out).receipt("train-000002", tokens(world))).unlink()
    return train(world)


def damaged_tokens(world: World) -> Arguments:
    cut(on_disk(Layout(world.out).tar("train-000001", tokens(world))), 5000)
    return train(world)


def no_valid_pairs(world: World) -> Arguments:
    path = models(world).out / "build.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pairs": {"train": 10}}))
    return train(world)


def begin_from(**changes: Any) -> Act:
    return lambda world: train(models(world), "--begin-from", world / "models/kick.pth", **changes)


def tokens_of_another_codec(world: World) -> Path:
    """Change the codec that the model names: the data set has no tokens of it."""
    path, codec = models(world) / "models/kick.pth", weights(world.folder, "second.pth", seed=1)
    content = torch.load(path, weights_only=True)
    content["metadata"]["codec"] = open_codec(str(codec), device="cpu").identity.to_dict()
    torch.save(content, path)
    return path


def broken_state(world: World) -> Arguments:
    cut(models(world) / "models/kick/last.ckpt")
    return train(world, "--out", world / "models")


def two_models(world: World) -> Arguments:
    shutil.copy(models(world) / "models/kick.pth", world / "models/second.pth")
    return extract(world)


def published_model(world: World) -> Arguments:
    codec = weights(models(world).folder, "dac-44khz.pth", sample_rate=44_100, n_codebooks=9, codebook_size=1024)
    return extract(world, checkpoint=published(world), codec=codec)


def song_of(samples: np.ndarray) -> Act:
    def act(world: World) -> Arguments:
        soundfile.write(models(world) / "song.wav", samples, RATE, subtype="FLOAT")
        return extract(world)

    return act


def short_song(world: World) -> Arguments:
    write_song(models(world).folder, 0.1)
    return extract(world)


def sound_in_the_way(world: World) -> Arguments:
    text_file(models(world) / "drums" / "kick.wav", "my own kick")
    return extract(world)


def extraction(*options: object, **given: object) -> Act:
    return lambda world: extract(models(world), *options, **given)


def evaluation(*options: object, **given: object) -> Act:
    return lambda world: evaluate(models(world), *options, **given)


def broken_codec_state(world: World) -> Arguments:
    cut(models(world) / "trained" / "state.pt")
    return train_codec(world)


def another_codec_shape(world: World) -> Arguments:
    return train_codec(models(world), shape={"n_codebooks": 3})


def other_published_model(world: World) -> Arguments:
    text_file(world / "imported" / "kick.pth", "my own model")
    return import_model(world, published(world), "--heads", 4)
