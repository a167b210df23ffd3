"""Check that the pairs of a finished data set can be reproduced: compose and render them again, and compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.audio import Pcm, processor_family
from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.errors import RmodError, ShardError
from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.inspection.rerender import Difference, compare_checksums, compare_files
from rmod_pipeline.inspection.sounds import open_data_set_grooves, open_data_set_sounds
from rmod_pipeline.pipeline.event_log import read_library_record
from rmod_pipeline.reading.pairs import StoredPair, read_index_row, read_pair
from rmod_pipeline.reading.shard_list import verify_hint
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.fingerprint import GROOVES, output_versions, read_fingerprint
from rmod_pipeline.shards.layout import Layout, parse_key, shard_name
from rmod_pipeline.shards.members import MIX, decode_audio, find_audio_member
from rmod_pipeline.shards.tar import read_members
from rmod_pipeline.shards.windows.feature_family import FeatureFamily, feature_names, read_features
from rmod_pipeline.shards.windows.features import encode_features
from rmod_pipeline.spec import PairSpec
from rmod_pipeline.storage import Location


def has_build_environment(out: Location) -> bool:
    """Return whether this machine has the versions and the processor family of the build, so that bits must agree."""
    layout = Layout(out)
    build_processor = read_library_record(layout.log).get("processor")  # None, which never agrees, in a set without log
    fingerprint = read_fingerprint(layout.build)
    return build_processor == processor_family() and fingerprint["versions"] == output_versions(fingerprint["engine"])


class ReproductionCheck:
    """Composes and renders pairs of a data set again, and reports what differs."""

    def __init__(self, out: Location, manifest: str | None = None, grooves: str | None = None) -> None:
        """Open the library and the grooves of a data set, as ``open_data_set_sounds`` and its like do."""
        self._out, self._fingerprint = out, read_fingerprint(Layout(out).build)
        self._sounds = open_data_set_sounds(out, manifest)
        self.exact = has_build_environment(out)
        """Whether audio must be equal bit by bit; otherwise it may differ by ``BOUND_DB``."""
        self._grooves = open_data_set_grooves(out, grooves)
        self.same_sources = self._sounds.store.library.digest == self._fingerprint["library"]["digest"] and (
            GROOVES not in self._fingerprint
            or (self._grooves is not None and self._grooves.digest == self._fingerprint[GROOVES]["digest"])
        )
        """Whether library and grooves are those of the build, so that specs can be composed again."""

    def check(self, key: str) -> list[Finding]:
        """Return what differs in a pair; an empty list if it is reproduced."""
        try:
            stored = read_pair(self._out, key)
            findings = [
                difference.to_finding()
                for difference in self._compare(stored)
                if self.exact or not difference.within_bound
            ]
            findings += self._compare_features(stored)
            if self.same_sources and not self._is_composed_equally(stored.spec()):
                found = "its spec is not that of recipe, library and seed"
                findings.append(Finding(about=f"{key}.json", found=found))
        except RmodError as error:
            return [Finding(about=key, found=f"cannot be reproduced: {error.about}: {error.found}")]
        except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
            # No recipe gives such values: somebody edited the JSON.
            return [Finding(about=key, found=f"cannot be reproduced: {error}")]
        return findings

    def _compare(self, stored: StoredPair) -> list[Difference]:
        library = self._sounds.store.library
        if self._fingerprint["audio"]:
            return compare_files(stored, library, self._sounds)
        return compare_checksums(stored, read_index_row(self._out, stored.key)["members"], library, self._sounds)

    def _compare_features(self, stored: StoredPair) -> Iterator[Finding]:
        """Yield the features of a pair that differ from those of its sounds; with other versions they may."""
        families = [read_features(self._out, name) for name in feature_names(self._out)] if self.exact else []
        for family in families:
            members = self._read_features(stored.key, family)
            if members:
                made = encode_features(family, self._read_sounds(stored, family), stored.members["json"])
                differing = [name for name in family.members() if name != "json" and made[name] != members.get(name)]
                for name in differing:
                    yield Finding(about=f"{family.folder}/{stored.key}.{name}", found="differs")

    def _read_features(self, key: str, family: FeatureFamily) -> dict[str, bytes]:
        """Return the feature files of a pair, by suffix; none if its shard has no features yet."""
        split, index = parse_key(key)
        layout, shard = Layout(self._out), shard_name(index, split, self._fingerprint["shard_size"])
        has_features = layout.receipt(shard, family.folder).exists()
        return read_members(layout.tar(shard, family.folder), key) if has_features else {}

    def _read_sounds(self, stored: StoredPair, family: FeatureFamily) -> Mapping[str, Pcm]:
        """Return the sounds of a pair, 16-bit [channels, samples]: as stored, or rendered where no audio is kept."""
        if not self._fingerprint["audio"]:
            pair = render_pair(stored.spec(), self._sounds)
            return {MIX: pair.mix, **pair.targets}
        sounds: dict[str, Pcm] = {}
        for sound in family.windows:
            name = find_audio_member(stored.members, sound)
            if name is None:
                raise ShardError(stored.key, f"has no {sound}", verify_hint(self._out))
            sounds[sound], _ = decode_audio(stored.members[name], f"{stored.key}.{name}")
        return sounds

    def _is_composed_equally(self, spec: PairSpec) -> bool:
        if self._fingerprint["versions"]["rmod output"] != str(OUTPUT_VERSION):
            return True  # another output version may compose another spec
        recipe = Recipe.model_validate(self._fingerprint["recipe"])
        assets = SplitAssets.of(recipe, self._sounds.store.library, spec.address.split, self._grooves)
        settings = make_settings(recipe, self._fingerprint["engine"])
        pair_id = replace(spec.address, seed=self._fingerprint["seed"])
        return compose_pair(recipe, assets, settings, pair_id) == spec
