"""What it takes to render a finished data set's pairs again: the library, and whether to expect the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.audio import processor_family
from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.effects import check_engine
from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.inspection.rerender import Difference, rerender, rerender_checksums
from rmod_pipeline.inspection.verify import Finding
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.pipeline.context import STORE_BYTES
from rmod_pipeline.pipeline.event_log import recall_library
from rmod_pipeline.reading.pairs import StoredPair, read_index_row, read_pair
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import PitchCache, Sounds
from rmod_pipeline.render.pitch import pitch_folder
from rmod_pipeline.shards.fingerprint import package_versions, read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.spec import PairSpec
from rmod_pipeline.storage import Location, parse_location


def open_sounds(manifest: Location | str, sample_rate: int) -> Sounds:
    """Open a library for rendering. Raises ManifestError."""
    return sounds_of(load_library(manifest), sample_rate)


def sounds_of(library: Library, sample_rate: int) -> Sounds:
    """Return the sounds of a library, ready to be rendered."""
    return Sounds(AudioStore(library, sample_rate, STORE_BYTES), PitchCache(pitch_folder()))


def sounds_for(out: Location, manifest: str | None = None) -> Sounds:
    """Open the library of a data set: the one given, or where it lay at the build. Raises UsageError, ManifestError."""
    layout = Layout(out)
    known = manifest or recall_library(layout.log).get("manifest")
    if known is None:
        raise UsageError(
            "--library", f"{out} does not say where its library lay", "name the manifest it was built from"
        )
    if manifest is None and not parse_location(known).is_file():
        raise UsageError("--library", f"the library is no longer at {known}", "name the manifest where it is now")
    fingerprint = read_fingerprint(layout.build)
    check_engine(fingerprint["engine"])
    return open_sounds(known, int(fingerprint["recipe"]["sample_rate"]))


def same_machine(out: Location) -> bool:
    """Return whether the build's versions and processor family are those of this machine: then bits must agree."""
    layout = Layout(out)
    known = recall_library(layout.log).get("processor")  # who cannot tell, does not promise
    fingerprint = read_fingerprint(layout.build)
    return known == processor_family() and fingerprint["versions"] == package_versions(fingerprint["engine"])


class Proof:
    """Composes and renders pairs of a data set again, and tells what came out otherwise."""

    def __init__(self, out: Location, manifest: str | None = None) -> None:
        self._out, self._fingerprint = out, read_fingerprint(Layout(out).build)
        self._sounds = sounds_for(out, manifest)
        self.exact = same_machine(out)
        """Whether every bit must be the same; else sound may differ by ``BOUND_DB``."""
        self.same_library = self._sounds.store.library.digest == self._fingerprint["library"]["digest"]
        """Whether the library is the build's, so that each spec can be composed again."""

    def check(self, key: str) -> list[Finding]:
        """Return what is wrong with a pair; nothing if it comes out the same."""
        try:
            stored = read_pair(self._out, key)
            differences = self._differences(stored)
            wrong = [str(found) for found in differences if self.exact or not found.within_bound]
            if self.same_library and not self._composed_the_same(stored.spec()):
                wrong.append(f"{key}.json: its spec is not what recipe, library and seed give")
        except RmodError as error:
            return [Finding(about=key, found=f"cannot be made again: {error.about}: {error.found}")]
        except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
            # Values that no recipe gives, in a JSON that somebody wrote into.
            return [Finding(about=key, found=f"cannot be made again: {error}")]
        return [Finding(about=name, found=found) for name, _, found in (text.partition(": ") for text in wrong)]

    def _differences(self, stored: StoredPair) -> list[Difference]:
        library = self._sounds.store.library
        if self._fingerprint["audio"]:
            return rerender(stored, library, self._sounds)
        return rerender_checksums(stored, read_index_row(self._out, stored.key)["members"], library, self._sounds)

    def _composed_the_same(self, spec: PairSpec) -> bool:
        recipe = Recipe.model_validate(self._fingerprint["recipe"])
        if self._fingerprint["versions"]["rmod output"] != str(OUTPUT_VERSION):
            return True  # another version may compose otherwise
        palette = SplitAssets.of(recipe, self._sounds.store.library, spec.address.split)
        settings = make_settings(recipe, self._fingerprint["engine"])
        address = replace(spec.address, seed=self._fingerprint["seed"])
        return compose_pair(recipe, palette, settings, address) == spec


def spread_evenly(keys: Sequence[str], count: int) -> list[str]:
    """Return ``count`` keys spread over all, the first among them; all if there are fewer."""
    count = min(count, len(keys))
    return [keys[place * len(keys) // count] for place in range(count)]
