"""Write the data of a release: the files of a data set as they are, or only some of its pairs, or as loose files.

Features are left out: `rmod features` makes the same bytes from the audio.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rmod_pipeline.errors import ShardError
from rmod_pipeline.releases.formats import PlannedFile
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.index import PAIR, read_index, write_index
from rmod_pipeline.shards.layout import AUDIO, INDEX, TOKENS, Layout, main_family, parse_key
from rmod_pipeline.shards.receipt import FileRecord, Receipt, read_receipt
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.storage import Location, open_for_reading

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """One shard of one family, as a release holds it."""

    family: str
    receipt: Receipt
    kept: frozenset[str]
    """The keys of its pairs that the release holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseData:
    """The data that goes into a release."""

    layout: Layout
    keys: frozenset[str] | None
    """The pairs to release; None for all."""
    loose: bool
    """Whether the audio lies as single files in a folder per shard. Then there are no receipts of audio."""

    @classmethod
    def of(cls, out: Location, keys: frozenset[str] | None, *, loose: bool) -> ReleaseData:
        """Return the data of a data set that a release holds. Raises ShardError if there is none."""
        fingerprint = read_fingerprint(Layout(out).build)
        if not fingerprint["audio"] and not family_names(out):
            hint = "add tokens to it: give the build command again with --codec"
            raise ShardError(out, "keeps neither audio nor tokens, and a release holds no features", hint)
        return cls(layout=Layout(out).with_listing(), keys=keys, loose=loose)

    def plan(self) -> tuple[PlannedFile, ...]:
        """Return the files that ``write`` will write, sorted by path. Reads headers of tars only where it has to.

        The sizes are exact, except that those of an index and of receipts of which pairs are left out are upper bounds.
        """
        sizes = {path: len((self.layout.out / path).read_bytes()) for path in self._descriptions()}
        for shard in self._shards():
            if shard.family == self._main:
                index = self.layout.relative(self.layout.index(shard.receipt.shard))
                sizes[index] = self._recorded(shard, index)
            if shard.family != INDEX:
                sizes |= self._plan_tar(shard)
            if not self._is_loose(shard):
                receipt = self.layout.receipt(shard.receipt.shard, shard.family)
                sizes[self.layout.relative(receipt)] = len(receipt.read_bytes())
        return tuple(PlannedFile(path=path, bytes=size) for path, size in sorted(sizes.items()))

    def write(self, folder: Path) -> Iterator[str]:
        """Write the data into a folder, and yield the path of each shard as it is written. Raises ShardError."""
        for path in self._descriptions():
            _copy(self.layout.out / path, folder / path)
        for shard in self._shards():
            yield f"{shard.family}/{shard.receipt.shard}"
            files = []
            if shard.family != INDEX:
                files.append(self._write_tar(shard, folder))
            if shard.family == self._main:
                files.append(self._write_index(shard, folder))
            if not self._is_loose(shard):
                self._write_receipt(shard, folder, [path for path in files if path is not None])

    def _is_loose(self, shard: _Shard) -> bool:
        return self.loose and shard.family == AUDIO

    @property
    def _main(self) -> str:
        return main_family(read_fingerprint(self.layout.build)["audio"])

    def _descriptions(self) -> list[str]:
        """Return the paths of build.json and of the codec.json of every family of tokens."""
        names = family_names(self.layout.out)
        return ["build.json", *(f"{TOKENS}/{name}/codec.json" for name in names)]

    def _shards(self) -> Iterator[_Shard]:
        """Yield the shards of all families. One without released pairs is written, too: readers count them."""
        families = [self._main, *(f"{TOKENS}/{name}" for name in family_names(self.layout.out))]
        for family in families:
            for path in self.layout.receipts(family):
                receipt = read_receipt(path)
                keys = {f"{receipt.split}-{i:08d}" for i in range(receipt.first, receipt.first + receipt.count)}
                kept = keys - set(receipt.absent)
                if self.keys is not None:
                    kept &= self.keys
                yield _Shard(family=family, receipt=receipt, kept=frozenset(kept))

    def _recorded(self, shard: _Shard, path: str) -> int:
        """Return the size of a file according to the receipt of its shard."""
        sizes = {file.path: file.bytes for file in shard.receipt.files}
        if path not in sizes:
            raise ShardError(path, f"is not in the receipt of {shard.receipt.shard}", "run `rmod verify OUT`")
        return sizes[path]

    def _plan_tar(self, shard: _Shard) -> dict[str, int]:
        tar = self.layout.tar(shard.receipt.shard, shard.family)
        path = self.layout.relative(tar)
        if self.keys is None and not self._is_loose(shard):
            return {path: self._recorded(shard, path)}
        members = {name: size for name, size in _list_members(tar).items() if name.partition(".")[0] in shard.kept}
        if self._is_loose(shard):
            return {f"{shard.family}/{shard.receipt.shard}/{name}": size for name, size in members.items()}
        blocks = sum(_BLOCK * (1 + -(-size // _BLOCK)) for size in members.values())
        return {path: -(-(blocks + 2 * _BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE}

    def _write_tar(self, shard: _Shard, folder: Path) -> Path | None:
        """Write the tar of a shard, or its members as single files, which have no path of their own."""
        source = self.layout.tar(shard.receipt.shard, shard.family)
        target = folder / self.layout.relative(source)
        if self._is_loose(shard):
            for name, content in self._members(source, shard):
                _write(target.with_suffix("") / name, content)
            return None
        if self.keys is None:
            _copy(source, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with TarWriter(target) as writer:
                for key, members in read_tar(source):
                    if key in shard.kept:
                        writer.add(key, members)
        return target

    def _members(self, tar: Location, shard: _Shard) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content of every member of the released pairs."""
        for key, members in read_tar(tar):
            if key in shard.kept:
                parse_key(key)
                for suffix, content in members.items():
                    if "/" in suffix or "\\" in suffix:
                        raise ShardError(tar, f"the member {key}.{suffix} is not a name", "run `rmod verify OUT`")
                    yield f"{key}.{suffix}", content

    def _write_index(self, shard: _Shard, folder: Path) -> Path:
        source = self.layout.index(shard.receipt.shard)
        target = folder / self.layout.relative(source)
        if self.keys is None:
            _copy(source, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            rows = [row for row in read_index(source) if row["status"] == PAIR and row["key"] in shard.kept]
            write_index(rows, target)
        return target

    def _write_receipt(self, shard: _Shard, folder: Path, files: list[Path]) -> None:
        source = self.layout.receipt(shard.receipt.shard, shard.family)
        target = folder / self.layout.relative(source)
        if self.keys is None:
            _copy(source, target)
            return
        receipt = shard.receipt
        keys = [f"{receipt.split}-{i:08d}" for i in range(receipt.first, receipt.first + receipt.count)]
        cut = replace(
            receipt,
            pairs=len(shard.kept),
            absent=tuple(key for key in keys if key not in shard.kept),
            rejects={},
            files=tuple(FileRecord.of(path, path.relative_to(folder).as_posix()) for path in files),
        )
        _write(target, cut.to_json())


def release_digest(out: Location, extra: Mapping[str, object]) -> str:
    """Return the SHA-256 over everything that decides the data of a release, in hexadecimal.

    That is build.json, the codec.json of every family of tokens, and what the user chose (``extra``).
    """
    import hashlib

    layout = Layout(out)
    families = {name: json.loads(layout.codec(f"{TOKENS}/{name}").read_bytes()) for name in family_names(out)}
    content = {"build": read_fingerprint(layout.build), "tokens": families, **extra}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _list_members(tar: Location) -> dict[str, int]:
    """Return the size of every member of a tar by name. Reads the headers alone. Raises ShardError."""
    try:
        with open_for_reading(tar) as file, tarfile.open(fileobj=file, mode="r:") as opened:
            return {header.name: header.size for header in opened}
    except (tarfile.TarError, OSError) as error:
        raise ShardError(tar, f"not a whole tar: {error}", "run `rmod verify OUT`") from error


def _copy(source: Location, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_for_reading(source) as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(content)
