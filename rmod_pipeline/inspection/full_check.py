"""The full check of `rmod verify`: checksums, splits, leakage by sound, pairs rendered again."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

from rmod_pipeline.inspection.findings import Finding, VerifyReport, read_expected_content
from rmod_pipeline.inspection.leakage import find_leaked_targets
from rmod_pipeline.inspection.reproduction import ReproductionCheck
from rmod_pipeline.inspection.verify import verify_shards
from rmod_pipeline.inspection.verify_features import FeatureCheck
from rmod_pipeline.inspection.verify_tokens import TokenCheck
from rmod_pipeline.library.process_pool import CountProgress, OpenProgress
from rmod_pipeline.reading.pairs import pick_evenly
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout, parse_key
from rmod_pipeline.storage import Location


@dataclass(slots=True, kw_only=True)
class Verification:
    """The result of a full check."""

    report: VerifyReport
    """Shards, pairs, tokens, features, index and splits."""
    compared: int = 0
    """Pairs whose one-shots were compared across splits by sound."""
    leaks: list[Finding] = field(default_factory=list)
    """One-shots of one split that are heard in another."""
    rerendered: int = 0
    """Pairs that were rendered again."""
    differing: dict[str, list[Finding]] = field(default_factory=dict)
    """By key: what differs in a pair that was rendered again."""
    exact: bool = True
    """Whether pairs must agree bit by bit: the versions and the processor family are those of the build."""
    recomposed: bool = True
    """Whether the specs were composed again too: the library is that of the build, and so are the grooves."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not (self.report.findings or self.leaks or self.differing)


def verify_data_set(
    out: Location,
    *,
    rerender: int = 0,
    compare: int = 200,
    library: str | None = None,
    grooves: str | None = None,
    progress: OpenProgress = lambda _step: nullcontext(lambda _done, _total: None),
) -> Verification:
    """Check a data set.

    rerender: number of pairs to render again. compare: pairs per split whose one-shots are compared across splits.
    library, grooves: the manifests for ``rerender``; by default where they lay at the build. Raises ShardError if there
    is no data set, UsageError or ManifestError if the library cannot be found.
    """
    with progress("shards") as on_shard:
        report = verify_shards(out, on_shard)
    expected = read_expected_content(out)
    for check in (TokenCheck, FeatureCheck):
        check(out, expected, report).run()
    result = Verification(report=report)
    if report.keys:
        _compare_across_splits(out, result, compare)
        if rerender:
            with progress("pairs rendered again") as on_pair:
                _render_again(ReproductionCheck(out, library, grooves), result, rerender, on_pair)
    return result


def _compare_across_splits(out: Location, result: Verification, count: int) -> None:
    by_split: dict[str, list[str]] = {}
    for key in result.report.keys:
        by_split.setdefault(parse_key(key)[0], []).append(key)
    if len(by_split) < 2 or not count or not read_fingerprint(Layout(out).build)["audio"]:
        return
    keys = [key for split_keys in by_split.values() for key in pick_evenly(split_keys, count)]
    result.leaks = list(find_leaked_targets(out, keys))
    result.compared = len(keys)


def _render_again(reproduction: ReproductionCheck, result: Verification, count: int, on_pair: CountProgress) -> None:
    keys = pick_evenly(result.report.keys, count)
    result.exact, result.recomposed, result.rerendered = reproduction.exact, reproduction.same_sources, len(keys)
    for done, key in enumerate(keys):
        on_pair(done, len(keys))
        findings = reproduction.check(key)
        if findings:
            result.differing[key] = findings
