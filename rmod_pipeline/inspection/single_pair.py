"""Render one pair from its JSON, and write its files."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.effects import check_engine
from rmod_pipeline.inspection.sounds import make_sounds
from rmod_pipeline.library.asset import Library
from rmod_pipeline.reading.pairs import parse_pair_spec
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.members import AudioStorage, encode_members
from rmod_pipeline.spec import PairSpec, SpecError
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import check_writable_folder, report_unwritable


def read_spec(path: Path) -> PairSpec:
    """Return the spec from the JSON file of a pair. Raises UsageError for a missing file, SpecError for another one."""
    require_file(path, "give the JSON that `rmod show OUT KEY --json` prints")
    return parse_pair_spec(path.read_bytes(), path)


def write_rendered(
    spec: PairSpec, library: Library, out: Location, engine: str | None = None, *, about: object
) -> list[Location]:
    """Render a pair with all its stems, write its files to ``out``, and return their paths.

    ``engine`` overrides the engine of the spec. about: names the pair in errors. Raises SpecError, LibraryError,
    AssetError and UsageError.
    """
    if spec.is_imported:
        found = "is an imported pair: nothing says how it was made"
        raise SpecError(about, found, "its sounds are in its data set: `rmod preview OUT` plays them")
    if isinstance(out, Path):
        check_writable_folder(out)
    spec = spec.with_engine(check_engine(engine or spec.settings.engine))
    sounds = make_sounds(library, spec.settings.sample_rate)
    try:
        pair = render_pair(spec, sounds)
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        # No recipe gives such values: somebody edited the JSON.
        hint = "use the .json that the build stored with the pair"
        raise SpecError(about, f"cannot be rendered: {error}", hint) from error
    storage = AudioStorage(stem_kinds=tuple(track.kind for track in spec.tracks))
    paths: list[Location] = []
    for name, data in encode_members(pair, library, storage).items():
        path = out / f"{spec.key}.{name}"
        with report_unwritable(path):
            publish_bytes(data, path, out)
        paths.append(path)
    return paths
