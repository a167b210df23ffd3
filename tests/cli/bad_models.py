"""Bad input about models: the cases of training, extraction, evaluation and imports, as those of `bad_input.py`."""

from __future__ import annotations

import argparse

import numpy as np

from tests.cli.bad_input_world import Case
from tests.cli.bad_model_acts import (
    another_codec_shape,
    begin_from,
    broken_codec_state,
    broken_state,
    damaged_tokens,
    evaluation,
    extraction,
    no_valid_pairs,
    other_published_model,
    published_model,
    short_song,
    song_of,
    sound_in_the_way,
    tokens_of_another_codec,
    training,
    two_models,
    unfinished_tokens,
    without_tokens,
)
from tests.cli.model_commands import evaluate, extract, import_model, models, published, train, train_codec, weights
from tests.tiny_build import RATE

TRAINING_CASES = [
    Case(name="train without tokens", act=without_tokens, says=("no tokens here", "rmod encode", "->")),
    Case(
        name="train with tokens of no such codec",
        act=training("--codec", "dac"),
        says=("no tokens of dac; there are codec-", "->"),
    ),
    Case(name="train before all tokens are made", act=unfinished_tokens, says=("1 of 4 shards", "rmod status", "->")),
    Case(name="train without pairs to validate", act=no_valid_pairs, says=("split valid: no pairs in it", "->")),
    Case(
        name="train with a tar of tokens that was cut",
        act=damaged_tokens,
        says=("train-000001.tar: 5000 bytes, its receipt says", "rmod verify /", "->"),
    ),
    Case(
        name="more devices than pairs",
        act=training("--devices", 4),
        says=("2 pairs in it, for 4 devices", "give fewer --devices", "->"),
    ),
    Case(
        name="a model for another number of codebooks",
        act=training(model={"codebooks": 4}),
        says=("tokens of codebooks 2, the recipe small has model.codebooks 4", "->"),
    ),
    Case(
        name="a model for other windows",
        act=training(target_frames={"kick": 40}),
        says=("windows of 90 frames, the recipe's are 40", "->"),
    ),
    Case(
        name="a model of an instrument that the data set lacks",
        act=training(instruments=["kick", "clap"]),
        says=("no tokens of clap; there are kick, snare", "->"),
    ),
    Case(
        name="`--instrument kik`",
        act=training("--instrument", "kik"),
        says=("no such instrument (did you mean 'kick'?)", "->"),
    ),
    Case(
        name="one instrument of a model for two",
        act=training("--instrument", "kick", instruments=["kick", "snare"], one_model=True),
        says=("makes one model for kick, snare", "->"),
    ),
    Case(name="train with `--device tpu`", act=training("--device", "tpu"), says=("no device is called tpu", "->")),
    Case(
        name="an unknown key in a model's recipe",
        act=training(model={"wdith": 16}),
        says=("unknown key 'wdith' (did you mean 'width'?)", "tiny.yaml, where every key is explained"),
    ),
    Case(
        name="begin two models from one",
        act=begin_from(instruments=["kick", "snare"]),
        says=("a model for kick, but this training is of kick and snare", "->"),
    ),
    Case(
        name="begin from a model of another size",
        act=begin_from(model={"width": 32}),
        says=("a model with width 16, the recipe asks for 32", "->"),
    ),
    Case(
        name="begin from a model of another codec",
        act=lambda world: train(world, "--begin-from", tokens_of_another_codec(world)),
        says=("made with sha256", "the model needs tokens of second-", "->"),
    ),
    Case(
        name="a learning rate that is far too high",
        act=training(schedule={"learning_rate": 1e30}),
        says=("not finite at step 1; its pairs: valid-00000000", "->"),
    ),
    Case(
        name="train where another model was trained",
        act=lambda world: train(models(world), "--out", world / "models", seed=1),
        says=("another training than the one asked for", "recipe.seed: existing 0, requested 1", "->"),
    ),
    Case(name="a training's state that was cut", act=broken_state, says=("last.ckpt", "a broken one", "->")),
]

CASES = [
    *TRAINING_CASES,
    Case(
        name="extract with models that are not there",
        act=lambda world: extract(models(world), checkpoint=world / "none"),
        says=("none: no such file or folder", "->"),
    ),
    Case(name="extract with two models of kicks", act=two_models, says=("both kick.pth and second.pth", "->")),
    Case(
        name="extract what no model extracts",
        act=extraction("--instrument", "snare"),
        says=("extracts kick, not snare", "->"),
    ),
    Case(
        name="extract with a codec that is nowhere named",
        act=extraction(codec=None),
        says=("--codec", "uses tokens of codec-", "--codec PATH", "->"),
    ),
    Case(
        name="extract with another codec than the model's",
        act=lambda world: extract(models(world), codec=weights(world.folder, "other.pth", seed=1)),
        says=("made with sha256", "give the codec codec-", "->"),
    ),
    Case(name="extract with a published model", act=published_model, says=("not a checkpoint of rmod", "dose import")),
    Case(name="a song that is too short", act=short_song, says=("song.wav: 0.10 s, too short", "->")),
    Case(name="a silent song", act=song_of(np.zeros(RATE)), says=("song.wav: silent", "->")),
    Case(name="a song with NaN samples", act=song_of(np.full(RATE, np.nan)), says=("NaN or infinite samples", "->")),
    Case(
        name="extract to where a sound of one's own is",
        act=sound_in_the_way,
        says=("drums/kick.wav: already exists", "->"),
    ),
    Case(name="`--at 99`, after the song", act=extraction("--at", 99), says=("--at 99: beyond the end", "->")),
    Case(name="`--windows 0`", act=extraction("--windows", 0), says=("--windows: 0 is out of range", "->")),
    Case(
        name="tries with `--temperature 0`",
        act=extraction("--temperature", 0),
        says=("all 1 sampled tries would equal the greedy one", "->"),
    ),
    Case(
        name="evaluate on a split that is not there",
        act=evaluation(split="test"),
        says=("no pairs of split 'test'", "-> choose train, valid"),
    ),
    Case(
        name="evaluate with a codec that is nowhere named",
        act=evaluation(codec=None),
        says=("--codec", "uses tokens of codec-", "--codec PATH", "->"),
    ),
    Case(
        name="evaluate with another codec than the model's",
        act=lambda world: evaluate(models(world), codec=weights(world.folder, "other.pth", seed=1)),
        says=("made with sha256", "give the codec codec-", "->"),
    ),
    Case(
        name="`--json` is a folder",
        act=lambda world: evaluate(models(world), "--json", world.out),
        says=("cannot be written: Is a directory", "->"),
    ),
    Case(name="fetch a codec that is not known", act=lambda _: ["codec", "fetch", "dac"], says=("no such codec", "->")),
    Case(
        name="show a folder with a codec",
        act=lambda world: ["codec", "show", models(world) / "trained"],
        says=("is a folder", "trained/codec.pth", "->"),
    ),
    Case(
        name="train a codec without a sound under an allowed licence",
        act=lambda world: train_codec(world, sounds={"licences": ["MIT"]}),
        says=("the recipe allows: MIT", "of this one are CC-BY-4.0, CC0-1.0", "->"),
    ),
    Case(
        name="train a codec with `--device tpu`",
        act=lambda world: train_codec(world, "--device", "tpu"),
        says=("--device: unknown 'tpu'", "->"),
    ),
    Case(
        name="train a codec where another was trained",
        act=another_codec_shape,
        says=("a training of a codec of another shape", "->"),
    ),
    Case(name="a codec training's state that was cut", act=broken_codec_state, says=("state.pt", "a broken one", "->")),
    Case(
        name="begin from a codec of another shape",
        act=lambda world: train_codec(world, "--begin-from", weights(world.folder), shape={"n_codebooks": 3}),
        says=("has n_codebooks 2, but the recipe small has shape.n_codebooks 3", "->"),
    ),
    Case(
        name="import a model whose name does not say what it extracts",
        act=lambda world: import_model(world, published(world, "last.ckpt"), "--heads", 4),
        says=("its name does not say what the model extracts", "->"),
    ),
    Case(
        name="import with `--heads 5`",
        act=lambda world: import_model(world, published(world), "--heads", 5),
        says=("its width 32 is not a multiple of 5 heads", "->"),
    ),
    Case(
        name="import a model that holds objects",
        act=lambda world: import_model(world, published(world, hyper_parameters=argparse.Namespace(a=1))),
        says=("not plain weights (argparse.Namespace)", "torch.save(", "->"),
    ),
    Case(
        name="import to where another model is",
        act=other_published_model,
        says=("imported/kick.pth: already exists and holds another model", "->"),
    ),
]
