"""Loading recipes: every mistake is reported with its line and key, and no input causes another error."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from rmod_pipeline.errors import RecipeError
from rmod_pipeline.recipe import Recipe, find_recipe, load_recipe, parse_recipe, recipe_digest, recipe_names
from rmod_pipeline.recipe.yaml_tree import select_written
from rmod_pipeline.storage.folders import shipped_folder

SMALL = """\
name: small
drums:
  kick:
    hits: 2
    inserts:
      - {effect: gain, gain_db: [-6, 0]}
      - effect: compressor
        threshold_db: [-20, -10]
        ratio: 4
        attack_ms: 1
        release_ms: 100
loops:
  bass:
    seconds: 2
master:
  - {effect: limiter, threshold_db: -1, release_ms: 100}
"""


def load_error(text: str) -> str:
    """Return the error message of an invalid recipe."""
    with pytest.raises(RecipeError) as error:
        parse_recipe(text, "my.yaml")
    return str(error.value)


def changed_error(old: str, new: str) -> str:
    """Return the error message of the small recipe with one change."""
    assert old in SMALL
    return load_error(SMALL.replace(old, new, 1))


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_has_the_name_of_its_file(name: str) -> None:
    assert load_recipe(find_recipe(name)).name == name


def test_the_shipped_recipes() -> None:
    names = ["quick", "rmod", "rmod_drums_only", "rmod_drums_only_varied", "rmod_ear", "rmod_grooves"]
    names += ["rmod_grooves_drums_only", "rmod_varied", "rmod_wide"]
    assert recipe_names() == names


def test_drums_only_is_rmod_without_loops() -> None:
    whole, drums = load_recipe(find_recipe("rmod")), load_recipe(find_recipe("rmod_drums_only"))
    alike = {"name": "x", "description": "", "loops": {}}
    assert drums.loops == {}
    assert whole.model_copy(update=alike) == drums.model_copy(update=alike)


@pytest.mark.parametrize("name", ["rmod", "rmod_drums_only"])
def test_a_varied_recipe_differs_by_its_one_shots_alone(name: str) -> None:
    plain, varied = load_recipe(find_recipe(name)), load_recipe(find_recipe(f"{name}_varied"))
    one_shots = varied.one_shots
    assert one_shots.semitones
    assert one_shots.semitones.support() == (-6, 6)
    assert {len(row) for row in one_shots.layering.weights} == {2, 3}
    assert one_shots.layering.crossover
    assert [effect.effect for effect in one_shots.effects] == ["decay", "transient", "equalizer", "drive"]  # type: ignore[union-attr]
    unvaried = {"semitones": None, "effects": (), "layering": plain.one_shots.layering}
    assert one_shots.model_copy(update=unvaried) == plain.one_shots
    alike = {"name": "x", "description": "", "one_shots": one_shots}
    assert plain.model_copy(update=alike) == varied.model_copy(update=alike)


# Digests of the recipes of version 0.1: a key added later must not change the fingerprint of builds that do not use it.
@pytest.mark.parametrize(
    ("name", "digest"), [("quick", "13f1696581d7"), ("rmod", "614d815be49a"), ("rmod_drums_only", "b9e75671eb3b")]
)
def test_unused_keys_do_not_change_a_fingerprint(name: str, digest: str) -> None:
    assert recipe_digest(load_recipe(find_recipe(name))).startswith(digest)


def test_an_extending_recipe_inherits_the_other_keys() -> None:
    rmod = load_recipe(find_recipe("rmod"))
    own = "{name: mine, extends: rmod, grid: 960, drums: {kick: {hits: {choice: [2]}}}, loops: {bass: {seconds: 1}}}"
    mine = parse_recipe(own)
    assert (mine.name, mine.description, mine.grid, mine.master) == ("mine", "", 960, rmod.master)
    kick = mine.drums["kick"]
    assert kick.hits.support() == (2, 2)
    assert kick.model_copy(update={"hits": rmod.drums["kick"].hits}) == rmod.drums["kick"]
    assert list(mine.drums) == list(rmod.drums)
    assert mine.loops["bass"].seconds.support() == (1.0, 1.0)
    assert parse_recipe(own.replace("loops: {bass: {seconds: 1}}", "loops: {}")).loops == {}


def test_a_recipe_extends_another_in_the_same_folder_which_extends_a_third(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SMALL)
    (tmp_path / "middle.yaml").write_text("extends: base.yaml\nname: middle\none_shots: {fade_ms: 7}\n")
    (tmp_path / "mine.yaml").write_text("extends: middle.yaml\nname: mine\none_shots: {max_seconds: 1}\n")
    mine, base = load_recipe(tmp_path / "mine.yaml"), parse_recipe(SMALL)
    assert (mine.one_shots.fade_ms, mine.one_shots.max_seconds) == (7, 1)
    assert mine.model_copy(update={"name": "small", "one_shots": base.one_shots}) == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: rmd\nname: a", "mine.yaml: line 1: extends: rmd: no such recipe (did you mean 'rmod'?)"),
        ("name: a\nextends: 3", "mine.yaml: line 2: extends: the name or path of a recipe is needed here, found 3"),
        ("extends: rmod", "mine.yaml: 1 problem\n  line 1: the key 'name' is missing"),
        ("extends: wrong.yaml\nname: a", "wrong.yaml: 2 problems\n  line 1: the key 'name' is missing"),
        ("extends: rmod\nname: a\nseconds: 3", "mine.yaml: 1 problem\n  line 3: loops.bass.seconds: 4 s is longer"),
        ("extends: rmod\nname: a\ndrums:\n  kick: {hitz: 2}", "mine.yaml: 1 problem\n  line 4: drums.kick.hitz"),
        ("extends: mine.yaml\nname: a", "which extends this recipe"),
        ("extends: round.yaml\nname: a", "which extends this recipe"),
    ],
)
def test_an_invalid_extension_is_reported(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("nmae: wrong\ndrums: {kick: {}}\n")
    (tmp_path / "round.yaml").write_text("extends: mine.yaml\nname: round\n")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError) as error:
        load_recipe(tmp_path / "mine.yaml")
    assert message in str(error.value)


def test_the_wide_recipe_differs_from_rmod_by_its_effects() -> None:
    rmod, wide = load_recipe(find_recipe("rmod")), load_recipe(find_recipe("rmod_wide"))
    assert wide.kinds == rmod.kinds
    assert (wide.grid, wide.seconds, wide.one_shots, wide.master) == (
        rmod.grid,
        rmod.seconds,
        rmod.one_shots,
        rmod.master,
    )
    effects = {"inserts": (), "sends": ()}
    for kind, drum in rmod.drums.items():
        assert wide.drums[kind].model_copy(update=effects) == drum.model_copy(update=effects)
    for kind, loop in rmod.loops.items():
        assert wide.loops[kind].model_copy(update=effects) == loop.model_copy(update=effects)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hits: 2", "hitz: 2", "line 4: drums.kick.hitz: unknown key 'hitz' (did you mean 'hits'?)"),
        ("hits: 2", "hits: [4, 2]", "line 4: drums.kick.hits: the range is out of order: 4 > 2"),
        ("hits: 2", "hits: 2.5", "line 4: drums.kick.hits"),
        ("hits: 2", "hits: 2000", "line 4: drums.kick.hits: 2000 is outside what is allowed here, 1..1024 hits"),
        ("hits: 2", "hits: many", "line 4: drums.kick.hits: not a random value"),
        ("hits: 2", "hits: 2\n    target: false", "line 2: drums: no drum is a target"),
        (
            "name: small",
            "name: small\ngrid: 90000\nseconds: 1",
            "line 2: grid: 90000 points are more than the 44100 frames of the mixture",
        ),
        (
            "name: small",
            "name: small\none_shots: {layering: {weights: [[1.0]]}}",
            "line 2: one_shots.layering: a row of weights needs two or more gains, found [1.0]",
        ),
        (
            "name: small\ndrums:\n  kick:\n    hits: 2",
            "name: small\ngrid: 16\ndrums:\n  kick:\n    hits: 17",
            "line 5: drums.kick.hits: 17 hits do not fit on a grid of 16 points",
        ),
        (
            "name: small",
            "name: small\none_shots: {layering: {weights: [[0.9, 0.4]]}}",
            "line 2: one_shots.layering: the weights [0.9, 0.4] add up to 1.3",
        ),
        ("hits: 2", "presence: 0.5", "line 3: drums.kick: presence is 0.5, but every pair contains its targets"),
        ("[-6, 0]", "[0, -6]", "line 6: drums.kick.inserts.0.gain_db: the range is out of order: 0 > -6"),
        ("effect: gain", "effect: gian", "line 6: drums.kick.inserts.0: unknown effect 'gian' (did you mean 'gain'?)"),
        ("effect: gain, ", "", "line 6: drums.kick.inserts.0: no `effect:` key; effects are compressor, cross"),
        ("effect: gain", "effect: gain, probability: -0.1", "line 6: drums.kick.inserts.0.probability"),
        ("effect: gain", "effect: gain, probability: -0.1", "found -0.1"),
        ("ratio: 4", "ratoi: 4", "unknown key 'ratoi' (did you mean 'ratio'?)"),
        ("ratio: 4", "ratoi: 4", "line 7: drums.kick.inserts.1: the key 'ratio' is missing"),
        ("threshold_db: [-20, -10]", "threshold_db: [-20, 10]", "line 8: drums.kick.inserts.1.threshold_db: -20..10"),
        ("seconds: 2", "seconds: 5", "line 14: loops.bass.seconds: 5 s is longer than the mixture, 4 s"),
        (
            "seconds: 2",
            "seconds: 2\n    seconds: 3",
            "line 15: invalid YAML: the key 'seconds' appears twice",
        ),
        ("  bass:", "  kick:", "line 13: loops.kick: 'kick' is under drums too"),
        ("  bass:", "  Bass guitar:", "loops"),
        ("name: small", "name: Very Small", "line 1: name: 'Very Small' is not a valid name; a name has small letters"),
        ("drums:", "drums:\n  tom:", "line 3: drums.tom: the value is missing; write {} for the defaults"),
        ("hits: 2", "hits: 2\n    sends: {}", "line 5: drums.kick.sends: a list is needed here"),
        ("drums:", "drums:\n  tom: 3", "line 3: drums.tom: keys with values are needed here"),
        ("hits: 2", "hits: 2\n    sends:", "line 5: drums.kick.sends: the value is missing; write [] for none"),
        ("name: small", "nmae: small", "line 1: nmae: unknown key 'nmae' (did you mean 'name'?)"),
        ("name: small", "name: small\nsample_rate: 3", "line 2: sample_rate: 8000 or more is needed here, found 3"),
        ("name: small", "name: small\nsample_rate: 44.1k", "sample_rate: a whole number is needed here, found '44.1k'"),
        ("name: small", "name: small\ngrid: 1920.5", "line 2: grid: a whole number is needed here, found 1920.5"),
        ("name: small", "name: small\nseconds: four", "line 2: seconds: a number is needed here, found 'four'"),
        ("name: small", "name: small\nseconds:", "line 2: seconds: a number is needed here, found nothing"),
        ("name: small", "name: small\nseconds: .inf", "line 2: seconds: a finite number is needed here, found inf"),
        ("name: small", "name: small\nseconds: 61", "line 2: seconds: 60 or less is needed here, found 61"),
        ("name: small", "name: small\ndescription: 4", "line 2: description: text is needed here"),
        ("hits: 2", "target: perhaps", "line 4: drums.kick.target: true or false is needed here, found 'perhaps'"),
        ("hits: 2", "hits: [two, 4]", "line 4: drums.kick.hits.0: a whole number is needed here, found 'two'"),
        ("hits: 2", "hits: [2]", "line 4: drums.kick.hits: item 2 is missing"),
        ("hits: 2", "hits: [2, 3, 4]", "line 4: drums.kick.hits: 2 or fewer items are needed here"),
        ("name: small", "name: small\nsample_rate: .nan", "line 2: sample_rate"),
        ("drums:", "drums: [", "invalid YAML"),
        ("drums:", "x: *nowhere\ndrums:", "invalid YAML"),
        ("drums:", "\tdrums:", "invalid YAML"),
    ],
)
def test_a_mistake_is_reported(old: str, new: str, message: str) -> None:
    assert message in changed_error(old, new)


def test_an_unknown_key_does_not_suggest_itself() -> None:
    assert "'effects' (did you mean 'effects'?)" not in changed_error("hits: 2", "effects: []")


def test_frequencies_stay_below_half_the_sample_rate() -> None:
    low = SMALL.replace("name: small", "name: small\nsample_rate: 16000")
    filtered = low.replace("{effect: gain, gain_db: [-6, 0]}", "{effect: filter, passes: low, hz: [100, 9000]}")
    assert parse_recipe(low).sample_rate == 16000
    assert (
        "line 7: drums.kick.inserts.0.hz: 9000 Hz is too high: at 16000 Hz the highest frequency is 8000 Hz"
        in load_error(filtered)
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "4", "small", "- a\n- b\n", "? [1]\n: 2", "a: 1\n---\nb: 2"])
def test_a_text_without_keys_is_refused(text: str) -> None:
    assert "my.yaml" in load_error(text)


def test_every_problem_is_listed_in_order_of_lines() -> None:
    text = (
        SMALL.replace("ratio: 4", "ratio: 0")
        .replace("hits: 2", "hits: 0")
        .replace("threshold_db: -1", "threshold_db: 1")
    )
    message = load_error(text)
    assert "3 problems" in message
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:4]] == ["line 4", "line 9", "line 16"]


def test_a_mistake_under_an_anchor_is_one_problem() -> None:
    anchored = SMALL.replace(
        "    seconds: 2", "    seconds: 2\n    inserts: &chain\n      - {effect: gain, gain_db: 900}"
    )
    assert "1 problem\n" in load_error(anchored.replace("master:", "  piano:\n    inserts: *chain\nmaster:"))


def test_private_keys_are_ignored() -> None:
    text = "x-mine: &mine {effect: gain, gain_db: -3}\nx-other: 1\n" + SMALL + "  - *mine\n"
    assert parse_recipe(text).master[1:] == parse_recipe(SMALL + "  - {effect: gain, gain_db: -3}\n").master[1:]
    assert "unknown key 'mine'" in load_error("mine: 1\n" + SMALL)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path in (binary, tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(RecipeError, match="cannot be read"):
            load_recipe(path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8-sig")
    assert load_recipe(tmp_path / "small.yaml") == parse_recipe(SMALL)


def test_find_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SMALL)
    assert find_recipe("mine.yaml") == Path("mine.yaml")
    assert find_recipe("rmod") == find_recipe("recipes/rmod.yaml") == shipped_folder("recipes") / "rmod.yaml"
    with pytest.raises(RecipeError, match="did you mean 'rmod'"):
        find_recipe("rmd")
    with pytest.raises(RecipeError, match="is a folder"):
        find_recipe(str(tmp_path))
    with pytest.raises(RecipeError, match="no such recipe"):
        find_recipe("elsewhere/rmod.yaml")


def test_the_digest_depends_on_the_meaning_only() -> None:
    digest = recipe_digest(parse_recipe(SMALL))
    same = SMALL.replace("hits: 2", "hits: {integers: [2, 2]}  # two").replace(
        "name: small", "description: ''\nname: small"
    )
    assert recipe_digest(parse_recipe(same)) == digest
    assert recipe_digest(parse_recipe(SMALL.replace("ratio: 4", "ratio: 5"))) != digest


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_immutable(name: str) -> None:
    recipe = load_recipe(find_recipe(name))
    with pytest.raises(ValueError, match="frozen"):
        recipe.seconds = 2.0


TEXTS = [SMALL, *(find_recipe(name).read_text() for name in recipe_names())]
FRAGMENTS = [
    "[",
    "]",
    "{",
    "}",
    ":",
    "-",
    "&a ",
    "*a",
    "<<: ",
    "!!python/object:os.system ",
    "\t",
    "0x",
    "1e999",
    ".nan",
    "~",
    "2020-01-01",
    "99999-99-99",
    "'",
    '"',
    "|",
    "\x00",
    "\ud7ff",
    "? ",
    "null",
    "true",
    "effect: ",
    "-1",
    "1e400",
    "!!binary x",
    "!!set {a}",
    "--- ",
    "%YAML 9.9",
    "any_order: ",
    "[[[[",
    "choice: ",
    "x-",
    "\u2028",
]


@given(st.sampled_from(TEXTS), st.integers())
@example(SMALL, 0)
def test_a_mangled_recipe_loads_or_gives_a_recipe_error(text: str, seed: int) -> None:
    mangled = mangle(text, random.Random(seed))
    try:
        assert isinstance(parse_recipe(mangled), Recipe)
    except RecipeError as error:
        assert str(error).startswith("recipe: ")


@given(st.text() | st.sampled_from(["[" * 5000, "{a: " * 3000, "- " * 3000, "&a [*a]", "a: &a {b: *a}"]))
def test_any_text_loads_or_gives_a_recipe_error(text: str) -> None:
    with contextlib.suppress(RecipeError):
        parse_recipe(text)


def mangle(text: str, chance: random.Random) -> str:
    """Return the text with a few lines or fragments removed, duplicated, moved or inserted."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        number = chance.randrange(len(lines))
        line = lines[number]
        position = chance.randrange(len(line) + 1)
        lines[number] = chance.choice(
            [
                "",
                line + line,
                " " + line,
                line[1:],
                line[:position] + chance.choice(FRAGMENTS) + line[position:],
                line[:position] + chance.choice(FRAGMENTS) + line[position + chance.randint(1, 6) :],
                chance.choice(lines),
                line.split(":")[0] + ": " + chance.choice(FRAGMENTS) + "\n",
            ]
        )
    return "".join(lines)


@pytest.mark.parametrize("merged", ["*one", "[*two, *one]"])
def test_a_key_that_is_merged_in_has_the_line_where_it_is_written(merged: str) -> None:
    tree: Any = yaml.compose(f"one: &one {{hz: 1}}\ntwo: &two {{q: 1}}\nmine:\n  <<: {merged}\n")
    assert list(select_written(tree, ["mine", "hz", "nothing"])) == ["mine", "hz"]
