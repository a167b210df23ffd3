"""What the cases of `bad_input.py` do to a world."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile

from tests.cli.bad_input_world import Arguments, World, text_file
from tests.tiny_build import RATE, RECIPE


def scan(world: World, folder: str = "sounds") -> Arguments:
    return ["library", "scan", world / folder, "--out", world / "scanned.csv"]


def empty_folder(world: World) -> Arguments:
    (world / "sounds").mkdir()
    return scan(world)


def text_as_sound(world: World) -> Arguments:
    text_file(world / "sounds" / "kick 01.wav")
    return scan(world)


def text_among_sounds(world: World) -> Arguments:
    text_file(world.library.parent / "kick" / "text.wav")
    return scan(world, "library")


def row(column: str, value: str) -> Callable[[World], Arguments]:
    def act(world: World) -> Arguments:
        return ["library", "check", world.manifest(lambda rows: rows[2].update({column: value}))]

    return act


def without_column(world: World) -> Arguments:
    def drop(rows: list[dict[str, str]]) -> None:
        for each in rows:
            del each["licence"]

    return ["library", "check", world.manifest(drop)]


def recipe(old: str, new: str) -> Callable[[World], Arguments]:
    def act(world: World) -> Arguments:
        assert old in RECIPE
        return world.build(recipe=world.recipe(lambda text: text.replace(old, new, 1)))

    return act


def built_with(**changes: Any) -> Callable[[World], Arguments]:
    """Build, then ask for something else in the same folder."""
    options = changes.pop("options", ())
    return lambda world: world.built().build(*options, **changes)


def other_recipe(old: str, new: str) -> Callable[[World], Arguments]:
    return lambda world: recipe(old, new)(world.built())


def snare_first(text: str) -> str:
    head, kick, rest = text.partition("  kick:")
    kick_body, _, rest = rest.partition("  snare:")
    snare_body, loops, rest = rest.partition("loops:")
    return f"{head}  snare:{snare_body}{kick}{kick_body}{loops}{rest}"


def few_kicks(world: World) -> Arguments:
    def drop(rows: list[dict[str, str]]) -> None:
        rows[:] = [each for each in rows if not (each["kind"] == "kick" and each["id"] != "kick/train-0")]

    return world.build(library=world.manifest(drop))


def torn_group(world: World) -> Arguments:
    def tear(rows: list[dict[str, str]]) -> None:
        next(each for each in rows if each["id"] == "kick/train-0")["group"] = "valid-0-kick"

    return world.build(library=world.manifest(tear))


def other_library(world: World) -> Arguments:
    world.built()
    return world.build(library=world.manifest(lambda rows: rows[0].update(licence="CC-BY-4.0")))


def out_is_a_file(world: World) -> Arguments:
    return world.build(out=text_file(world / "file"))


def no_build_json(world: World) -> Arguments:
    (world.built().out / "build.json").unlink()
    return world.build()


def broken_build_json(world: World) -> Arguments:
    text_file(world.built().out / "build.json", '{"recipe"')
    return world.build()


def foreign_receipt(world: World) -> Arguments:
    path = world.built().out / "receipts" / "audio" / "train-000000.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "fingerprint": "0" * 64}))
    return world.build()


def options(*extra: object, **changes: Any) -> Callable[[World], Arguments]:
    return lambda world: world.build(*extra, **changes)


def vanished(world: World) -> Arguments:
    world.sound().unlink()
    return world.build()


def changed(world: World) -> Arguments:
    with world.sound().open("ab") as file:
        file.write(b"more")
    return world.build()


def holding(samples: float) -> Callable[[World], Arguments]:
    """Put a sound with bad samples in the place of one that was scanned, and let the manifest have its checksum."""

    def act(world: World) -> Arguments:
        from hashlib import sha256

        soundfile.write(world.sound(), np.full(4000, samples, np.float32), RATE, subtype="FLOAT")
        digest = sha256(world.sound().read_bytes()).hexdigest()
        return world.build(
            library=world.manifest(
                lambda rows: [each.update(sha256=digest) for each in rows if each["id"] == "kick/train-0"]
            )
        )

    return act


def library_moved(world: World) -> Arguments:
    world.built()
    world.library.parent.rename(world / "elsewhere")
    return ["verify", world.out, "--rerender", 2]


def other_sound(world: World) -> Arguments:
    arguments = world.spec(id)
    shutil.copy(world.sound("snare/train-1.wav"), world.sound("kick/train-0.wav"))
    shutil.copy(world.sound("snare/train-1.wav"), world.sound("kick/train-1.wav"))
    shutil.copy(world.sound("snare/train-1.wav"), world.sound("kick/train-2.wav"))
    return arguments


def other_checksum(world: World) -> Arguments:
    """Put other sounds, with their checksums in the manifest, in the place of those that the pair was built from."""
    from hashlib import sha256

    arguments = other_sound(world)
    digest = sha256(world.sound().read_bytes()).hexdigest()
    world.manifest(lambda rows: [row.update(sha256=digest) for row in rows if row["id"].startswith("kick/train")])
    return arguments


def pair_text(text: str | bytes) -> Callable[[World], Arguments]:
    def act(world: World) -> Arguments:
        world.pair.write_bytes(text if isinstance(text, bytes) else text.encode())
        return world.render()

    return act


def spec(*path: str | int, value: object) -> Callable[[World], Arguments]:
    """Put a value into a pair's JSON."""

    def change(content: Any) -> None:
        for part in path[:-1]:
            content = content[part]
        if isinstance(content, list) and path[-1] == "+":
            content.append(value)
        else:
            content[path[-1]] = value

    return lambda world: world.spec(change)


def render_to_a_file(world: World) -> Arguments:
    return [*world.spec(id)[:-1], text_file(world / "file")]


def half_a_tar(world: World) -> Arguments:
    os.truncate(world.built().out / "audio" / "train-000000.tar", 20_000)
    return ["show", world.out, "train-00000002"]


def show(*arguments: object) -> Callable[[World], Arguments]:
    return lambda world: ["show", world.built().out, *arguments]


def make_pair_a_folder(world: World) -> Arguments:
    world.pair.mkdir()
    return world.render()
