"""Open the library of a data set, to render its pairs again."""

from __future__ import annotations

from rmod_pipeline.effects import check_engine
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.licences import LICENCE_CLASSES, LicenceClass, select_by_class
from rmod_pipeline.library.manifest import BUILTIN, load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.patterns.manifest import Grooves, load_grooves, select_grooves_by_class
from rmod_pipeline.pipeline.event_log import read_library_record
from rmod_pipeline.pipeline.jobs.context import STORE_BYTES
from rmod_pipeline.render import PreparedCache, Sounds
from rmod_pipeline.render.prepared import prepared_folder
from rmod_pipeline.shards.fingerprint import GROOVES, LICENCES, Fingerprint, is_imported, read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import Location, parse_location


def make_sounds(library: Library, sample_rate: int) -> Sounds:
    """Return the sounds of a library at a sample rate in Hz, ready to render."""
    return Sounds(AudioStore(library, sample_rate, STORE_BYTES), PreparedCache(prepared_folder()))


def open_sounds(manifest: Location | str, sample_rate: int) -> Sounds:
    """Return the sounds of the library of a manifest. Raises ManifestError."""
    return make_sounds(load_library(manifest), sample_rate)


def open_data_set_sounds(out: Location, manifest: str | None = None) -> Sounds:
    """Return the sounds that a data set was built from; ``manifest`` overrides the one recorded at the build.

    Raises UsageError for a missing library or engine, ManifestError for an invalid manifest.
    """
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    if is_imported(fingerprint):
        found = f"the pairs of {out} were imported from files: there is no plan to render them from"
        raise UsageError("--rerender", found, "leave it out; the rest of the check needs no plan")
    path = manifest or read_library_record(layout.log).get("manifest")
    if path is None:
        raise UsageError("--library", f"{out} has no record of its library", "name the manifest it was built from")
    if manifest is None and not parse_location(path).is_file():
        is_builtin = str(path).endswith(f"/{BUILTIN}.csv")
        hint = f"give --library {BUILTIN}" if is_builtin else "name the manifest where it is now"
        raise UsageError("--library", f"the library is no longer at {path}", hint)
    check_engine(fingerprint["engine"])
    library = limit_to_build(load_library(path), fingerprint)
    return make_sounds(library, int(fingerprint["recipe"]["sample_rate"]))


def open_data_set_grooves(out: Location, manifest: str | None = None) -> Grooves | None:
    """Return the grooves that a data set plays, as far as they can be found; None if it plays random hits.

    ``manifest`` overrides the one recorded at the build. Without either, and where the recorded one is gone, the result
    is None too: pairs can be rendered without it. Raises the errors of ``load_grooves``.
    """
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    path = manifest or read_library_record(layout.log).get(GROOVES)
    if GROOVES not in fingerprint or path is None or (manifest is None and not parse_location(path).is_file()):
        return None
    return select_grooves_by_class(load_grooves(path), _licence_class(fingerprint))


def limit_to_build(library: Library, fingerprint: Fingerprint) -> Library:
    """Return the library with the licences that a build was limited to; the library itself if it was not."""
    return select_by_class(library, _licence_class(fingerprint))


def _licence_class(fingerprint: Fingerprint) -> LicenceClass:
    """Return the class of licences that a build was limited to."""
    record = fingerprint["library"]
    name = record.get(LICENCES, LicenceClass.ANY.value) if isinstance(record, dict) else LicenceClass.ANY.value
    return LicenceClass(name) if name in LICENCE_CLASSES else LicenceClass.ANY
