"""The results of a verification, and what build.json says that a data set should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rmod_pipeline.errors import ShardError
from rmod_pipeline.shards.fingerprint import fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import Layout, ShardPlan, main_family, plan_shards
from rmod_pipeline.shards.members import AudioStorage, list_members
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One error in a data set."""

    about: str
    """The file, shard, pair or sound."""
    found: str
    """What is wrong with it."""

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.about}: {self.found}"


@dataclass(slots=True)
class VerifyReport:
    """The counts and findings of a verification."""

    shards: int = 0
    pairs: int = 0
    rejects: int = 0
    sources: int = 0
    """Number of different sounds."""
    findings: list[Finding] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """The pairs of all readable shards, damaged or not."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Number of pairs with tokens, by codec."""
    features: dict[str, int] = field(default_factory=dict)
    """Number of pairs with features, by definition."""
    damaged: list[str] = field(default_factory=list)
    """Receipts of the damaged shards, as paths relative to the data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedContent:
    """The content of a data set according to its build.json."""

    digest: str
    """Of build.json."""
    recipe: Mapping[str, Any]
    family: str
    """The family of shards whose receipts say that pairs are finished: audio, or index without audio."""
    plans: dict[str, ShardPlan]
    """The shards, by name."""
    members: list[str]
    """The files of every pair, by suffix, in order."""
    seed: int
    engine: str

    @classmethod
    def of(cls, fingerprint: Mapping[str, Any]) -> ExpectedContent:
        """Return the content that the content of a build.json describes. Raises KeyError, TypeError, AttributeError."""
        recipe = fingerprint["recipe"]
        targets = [kind for kind, drum in recipe["drums"].items() if drum["target"]]
        stems = (*recipe["drums"], *recipe["loops"]) if fingerprint["stems"] else ()
        return cls(
            digest=fingerprint_digest(fingerprint),
            recipe=recipe,
            family=main_family(fingerprint["audio"]),
            plans={plan.name: plan for plan in plan_shards(fingerprint["pairs"], fingerprint["shard_size"])},
            members=list_members(targets, AudioStorage(audio_format=fingerprint["format"], stem_kinds=stems)),
            seed=fingerprint["seed"],
            engine=fingerprint["engine"],
        )


def read_expected_content(out: Location) -> ExpectedContent:
    """Return the content of a data set according to its build.json. Raises ShardError."""
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    try:
        return ExpectedContent.of(fingerprint)
    except (KeyError, TypeError, AttributeError) as error:
        hint = "restore it, or build the data set again in another folder"
        raise ShardError(layout.build, f"not a build.json: {error!r}", hint) from error
