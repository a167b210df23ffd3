"""What is known before the work is refused before it, and a target that is taken meanwhile is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmod_pipeline.errors import UsageError
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
