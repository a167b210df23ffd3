"""Blind comparisons by ear: which pairs of answers are played, which is A, and what the votes say.

The page shows A and B without names. The key of the test, which says who is who, is a file of its own, so that nobody
sees it by accident.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.codec.catalogue import make_plain_name
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import UsageError
from rmod_pipeline.evaluation.figures.results import EvaluationResults

TRIALS = 24
A, B, EQUAL = VOTES = ("A", "B", "equal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One question: which of two answers is nearer to the truth."""

    test_set: str
    kind: str
    key: str
    a: str
    """The system that is played as A."""
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCount:
    """The votes for two systems."""

    system: str
    other: str
    wins: int
    losses: int
    equal: int
    p: float
    """Two-sided p-value of the sign test, without the equal ones."""


def plan_trials(results: EvaluationResults, test_set: str, systems: Sequence[str], count: int = TRIALS) -> list[Trial]:
    """Return trials in random order: pairs of systems and kinds in turn, keys and sides at random, by the seed.

    Only mixtures that both systems answered are asked about.
    """
    draw = Draw.of("blind", results.recipe.seed, test_set)
    questions = [
        (kind, one, other)
        for number, one in enumerate(systems)
        for other in systems[number + 1 :]
        for kind in results.recipe.kinds
        if results.has(test_set, one, kind) and results.has(test_set, other, kind)
    ]
    trials: list[Trial] = []
    for number in range(count if questions else 0):
        kind, one, other = questions[number % len(questions)]
        stream = draw.at(number)
        theirs = set(results.cell(test_set, other, kind).keys)
        keys = [key for key in results.cell(test_set, one, kind).keys if key in theirs]
        if keys:
            a, b = (one, other) if stream.at("side").chance(0.5) else (other, one)
            trials.append(Trial(test_set=test_set, kind=kind, key=stream.at("key").pick(keys), a=a, b=b))
    return [trials[place] for place in draw.at("order").order(len(trials))]


def encode_key(trials: Sequence[Trial]) -> str:
    """Return the key of a test as JSON."""
    return json.dumps({"trials": [asdict(trial) for trial in trials]}, indent=1, ensure_ascii=False) + "\n"


def digest_trials(trials: Sequence[Trial]) -> str:
    """Return a name of a test that tells it from others: votes bear it, and it tells nothing of who is who."""
    return hashlib.sha256(encode_key(trials).encode()).hexdigest()[:16]


def find_key(votes: Path, folder: Path) -> Path:
    """Return the key of the test whose votes a file holds, in the folder of the evaluation. Raises UsageError."""
    content = _read_json(votes, "give the file that the blind page saved")
    name = content.get("test") if isinstance(content, dict) else None
    if not isinstance(name, str) or make_plain_name(name) != name:
        raise UsageError(votes, "not the votes of a blind test", "give the file that the blind page saved")
    return folder / f"{name}-key.json"


def read_trials(path: Path) -> list[Trial]:
    """Return the trials of a key. Raises UsageError for another file."""
    content = _read_json(path, "give the key that stands beside the blind page")
    try:
        return [Trial(**trial) for trial in content["trials"]]
    except (KeyError, TypeError) as error:
        raise UsageError(
            path, f"not the key of a blind test: {error!r}", "give the key that stands beside the blind page"
        ) from error


def count_votes(votes: Path, key: Path) -> list[VoteCount]:
    """Count the votes of a file that the blind page saved. Raises UsageError for another file, or that of another test.

    Votes for trials that were not answered are not there.
    """
    from scipy.stats import binomtest

    trials, content = read_trials(key), _read_json(votes, "give the file that the blind page saved")
    counts: dict[tuple[str, str], list[int]] = {}
    given = content.get("votes") if isinstance(content, dict) else None
    if not isinstance(given, dict) or content.get("key") != digest_trials(trials):
        found = "not the votes of this test"
        raise UsageError(votes, found, f"give the file that the blind page beside {key} saved")
    for number, vote in given.items():
        if not str(number).isdecimal() or int(number) >= len(trials) or vote not in VOTES:
            raise UsageError(votes, f"a vote {number}: {vote!r}", f"votes are {', '.join(VOTES)}, by number of trial")
        trial = trials[int(number)]
        one, other = sorted((trial.a, trial.b))
        counted = counts.setdefault((one, other), [0, 0, 0])
        counted[2 if vote == EQUAL else int((trial.a if vote == A else trial.b) != one)] += 1
    return [
        VoteCount(
            system=one,
            other=other,
            wins=wins,
            losses=losses,
            equal=equal,
            p=float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
        )
        for (one, other), (wins, losses, equal) in counts.items()
    ]


def _read_json(path: Path, hint: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(path, "no such file", hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(path, f"not JSON: {error}", hint) from error
