"""Blind tests: trials without names, equal chances for both sides, and votes that are counted by the key."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import UsageError
from rmod_pipeline.evaluation.votes import (
    Trial,
    count_votes,
    digest_trials,
    encode_key,
    find_key,
    plan_trials,
    read_trials,
)

KEYS = tuple(f"test-{number:08d}" for number in range(20))
TRIALS = [Trial(test_set="set", kind="kick", key=key, a="one", b="other") for key in KEYS[:8]]


def make_results(seed: int = 0) -> Any:
    """Return results in which two of three systems have all answers, and one only half of the kicks."""

    def cell(_test_set: str, system: str, _kind: str) -> Any:
        return SimpleNamespace(keys=KEYS[:10] if system == "half" else KEYS)

    return SimpleNamespace(
        recipe=SimpleNamespace(seed=seed, kinds=("kick", "snare")),
        cell=cell,
        has=lambda _test_set, system, kind: system != "half" or kind == "kick",
    )


@given(st.integers(0, 50))
def test_trials_ask_about_answers_that_exist_and_depend_on_the_seed_alone(seed: int) -> None:
    systems = ["one", "other", "half"]
    trials = plan_trials(make_results(seed), "set", systems)
    assert trials == plan_trials(make_results(seed), "set", systems)
    assert len(trials) == 24
    for trial in trials:
        assert trial.a != trial.b
        if "half" in (trial.a, trial.b):
            assert trial.kind == "kick"
            assert trial.key in KEYS[:10]


def test_both_sides_have_equal_chances() -> None:
    trials = [trial for seed in range(40) for trial in plan_trials(make_results(seed), "set", ["one", "other"])]
    share = sum(trial.a == "one" for trial in trials) / len(trials)
    assert 0.45 < share < 0.55
    assert plan_trials(make_results(), "set", ["one"]) == [], "there is nothing to compare"


@given(st.lists(st.sampled_from(["A", "B", "equal"]), max_size=8), st.booleans())
def test_votes_count_for_the_system_that_was_played(votes: list[str], swapped: bool) -> None:
    a, b = ("other", "one") if swapped else ("one", "other")
    trials = [Trial(test_set="set", kind="kick", key=KEYS[number], a=a, b=b) for number in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        content = json.dumps(make_votes(votes, digest_trials(trials)))
        files = {"key.json": encode_key(trials), "votes.json": content}
        patch.setattr(Path, "read_text", lambda path, encoding: files[path.name])
        counts = count_votes(Path("votes.json"), Path("key.json"))
    if not votes:
        assert counts == []
        return
    (count,) = counts
    ones = votes.count("B" if swapped else "A")
    equal = votes.count("equal")
    assert (count.system, count.other) == ("one", "other")
    assert (count.wins, count.losses, count.equal) == (ones, len(votes) - ones - equal, equal)
    assert 0 < count.p <= 1


def make_votes(votes: list[str], key: str = digest_trials(TRIALS)) -> dict[str, Any]:
    votes_by_number = {str(number): vote for number, vote in enumerate(votes)}
    return {"test": "blind-set", "key": key, "trials": 8, "votes": votes_by_number}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "not JSON"),
        ("[]", "not the votes"),
        (json.dumps(make_votes(["A"], key="0")), "not the votes of this test"),
        (json.dumps(make_votes(["C"])), "a vote 0: 'C'"),
        (json.dumps(make_votes([]) | {"votes": {"8": "A"}}), "a vote 8"),
        (json.dumps(make_votes([]) | {"test": "../other"}), "not the votes of a blind test"),
    ],
)
def test_other_files_are_refused(content: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "blind-set-key.json").write_text(encode_key(TRIALS))
    (tmp_path / "votes.json").write_text(content)
    with pytest.raises(UsageError, match=match):
        count_votes(tmp_path / "votes.json", find_key(tmp_path / "votes.json", tmp_path))


def test_a_key_of_another_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"trials": [{"a": 1}]}')
    with pytest.raises(UsageError, match="not the key of a blind test"):
        read_trials(tmp_path / "key.json")
    with pytest.raises(UsageError, match="no such file"):
        read_trials(tmp_path / "none.json")
