"""What is known before the work is refused before it, and a target that is taken meanwhile is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.releases import make
from tests.releases.conftest import make_release


@pytest.mark.parametrize("inside", ["file", ""], ids=["filled", "a file"])
def test_a_target_that_is_taken_meanwhile_is_named(
    inside: str, tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made by another program between the last look and the move."""
    target, rename = tmp_path / "to", Path.rename

    def take_and_rename(self: Path, to: Path) -> Path:
        if inside:
            target.mkdir()
        (target / inside).write_text("of another program")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", take_and_rename)
    with pytest.raises(UsageError, match="exists by now"):
        make_release(tiny_built, target, "plain")
    assert (target / inside).read_text() == "of another program"
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


@pytest.mark.parametrize(
    ("options", "found"), [({"title": "x"}, "title"), ({"subtitle": "x"}, "subtitle"), ({"thresholds": "t"}, "no_key")]
)
def test_what_needs_no_facts_is_refused_before_the_data_is_read(
    options: dict[str, object], found: str, tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "_check_finished", lambda _out: pytest.fail("the data was read"))
    (tmp_path / "t.yaml").write_text("no_key: 1\n")
    given = {name: tmp_path / "t.yaml" if name == "thresholds" else value for name, value in options.items()}
    with pytest.raises(RmodError, match=found):
        make_release(tiny_built, tmp_path / "to", "kaggle", **given)
