"""The address of an object, or of all objects below it; it answers to pathlib's names."""

from __future__ import annotations

import errno
import hashlib
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from rmod_pipeline.errors import RmodError
from rmod_pipeline.storage.requests import (
    LARGE_BYTES,
    LOCAL_DISK,
    Result,
    StoreError,
    UnableError,
    code_of,
    complaint,
    parts_tried,
    store_of,
    tried,
)


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """What a store tells of an object, by pathlib's names."""

    st_size: int


@dataclass(frozen=True, slots=True)
class StorePath:
    """An address on an object store: small, and ready to be sent to a worker.

    Raises FileNotFoundError for what is not there, as pathlib does, and StoreError for a store that cannot be used.
    """

    address: str
    """``s3://bucket/data``, without a slash at the end."""
    listing: Mapping[str, int] | None = field(default=None, compare=False, repr=False)
    """Sizes by address, as of one moment: then what is there is told without asking the store. See ``with_listing``."""
    contents: Mapping[str, bytes] | None = field(default=None, compare=False, repr=False)
    """What is in some of them. See ``with_prefetched``."""

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str | PurePosixPath) -> StorePath:
        return self._at(f"{self.address}/{name}")

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket, and the names below it."""
        return tuple(self.address.partition("://")[2].split("/"))

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> StorePath:
        above = self.address.rpartition("/")[0] if len(self.parts) > 1 else self.address
        return self._at(above)

    def resolve(self) -> StorePath:
        """Return itself: an address is never relative."""
        return self

    absolute = resolve

    def relative_to(self, other: StorePath) -> PurePosixPath:
        """Return what comes after another address. Raises ValueError if this one is not below it."""
        if not self.address.startswith(f"{other.address}/"):
            raise ValueError(f"{self} is not below {other}")
        return PurePosixPath(self.address[len(other.address) + 1 :])

    def joined(self, relative: str) -> StorePath:
        """Return where a relative path leads, with its ``..`` taken. Raises ValueError if that is out of the bucket."""
        scheme, _, place = self.address.partition("://")
        there = posixpath.normpath(f"{place}/{relative}")
        if there.split("/")[0] != self.parts[0]:
            raise ValueError(f"{relative} leads out of {scheme}://{self.parts[0]}")
        return self._at(f"{scheme}://{there}")

    def listed(self) -> StorePath:
        """Return the same address with a list of all that is below it now: a few requests in place of thousands."""
        found: dict[str, Any] = self._ask(lambda store, path: store.find(path, detail=True), nothing={})
        prefix = self._stripped()
        sizes = {f"{self.address}{name[len(prefix) :]}": int(each["size"] or 0) for name, each in found.items()}
        return StorePath(self.address, sizes)

    def afresh(self) -> StorePath:
        """Return the same address, which knows nothing and asks the store."""
        return StorePath(self.address)

    def ahead(self, wanted: Iterable[StorePath]) -> StorePath:
        """Return the same address with some objects read, many at a time; what cannot be is read when asked for."""
        by_path = {each._stripped(): each.address for each in wanted}
        found: Mapping[str, Any] = {}
        if by_path:
            found = self._ask(lambda store, _: store.cat(list(by_path), on_error="return"), {})
        contents = {by_path[path]: bytes(each) for path, each in found.items() if isinstance(each, bytes)}
        return StorePath(self.address, self.listing, contents)

    def exists(self) -> bool:
        """Return whether there is an object here, or any below."""
        return bool(self._info()) if self.listing is None else self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Return whether there is an object here."""
        if self.listing is not None:
            return self.address in self.listing
        return self._info().get("type") == "file"

    def is_dir(self) -> bool:
        """Return whether there are objects below."""
        if self.listing is not None:
            return any(address.startswith(f"{self.address}/") for address in self.listing)
        return self._info().get("type") == "directory"

    def stat(self) -> ObjectStatus:
        """Return the object's size."""
        if self.listing is not None and self.address in self.listing:
            return ObjectStatus(self.listing[self.address])
        found = self._info()
        if found.get("type") != "file":
            raise FileNotFoundError(errno.ENOENT, "no such object", self.address)
        return ObjectStatus(int(found["size"] or 0))

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """Yield the objects whose address below this one fits a pattern of names, such as ``*/codec.json``."""
        there = self if self.listing is not None else self.listed()
        wanted = pattern.split("/")
        for address in there.listing or ():
            if address.startswith(f"{self.address}/"):
                names = address[len(self.address) + 1 :].split("/")
                if len(names) == len(wanted) and all(map(fnmatchcase, names, wanted)):
                    yield self._at(address)

    def read_bytes(self) -> bytes:
        """Return the object's bytes, by one request."""
        if self.contents is not None and self.address in self.contents:
            return self.contents[self.address]
        return bytes(self._ask(lambda store, path: store.cat_file(path)))

    def fetch(self, target: Path) -> None:
        """Copy the object to a file, by one request or, where the store's client thinks it large, by several."""

        def get(store: Any, path: str) -> None:
            with parts_tried(store):
                store.get_file(path, str(target))

        self._ask(get)

    def upload(self, file: Path) -> None:
        """Put a finished file here: readers see all of it or what was here before."""

        large = file.stat().st_size >= LARGE_BYTES

        def put(store: Any, path: str) -> None:
            try:
                with parts_tried(store) if large else nullcontext():
                    store.put_file(str(file), path)
            except FileNotFoundError as error:
                if code_of(error) != "NoSuchUpload":
                    raise
                # Perhaps the parts were joined and the answer got lost: then asking again finds no upload.
                raise ConnectionError("the store knows nothing of the upload that was under way") from None

        self._ask(put)

    def write_bytes(self, content: bytes) -> None:
        """Put an object here."""
        self._ask(lambda store, path: store.pipe_file(path, content))

    def create(self, content: bytes) -> bool:
        """Put an object here unless there is one; return whether it was put.

        Of two that try at once one does, on S3 and Google Cloud Storage: they are asked to refuse the second. A store
        that cannot is looked at first, and then two may both believe that theirs was put; the later one stays.
        """
        try:
            self._ask(lambda store, path: store.pipe_file(path, content, mode="create"))
        except FileExistsError:
            return False
        except (UnableError, TypeError):
            if self.is_file():
                return False
            self.write_bytes(content)
        return True

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; S3 does not tell whether there was one."""
        try:
            self._ask(lambda store, path: store.rm_file(path))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def version(self) -> str:
        """Return what the store tells of this object, hashed: other bytes, another version."""
        found = self._info()
        if found.get("type") != "file":
            raise FileNotFoundError(errno.ENOENT, "no such object", self.address)
        told = repr(sorted((key, str(value)) for key, value in found.items()))
        return hashlib.sha256(f"{self.address} {told}".encode()).hexdigest()

    def _at(self, address: str) -> StorePath:
        return StorePath(address, self.listing, self.contents)

    def _info(self) -> dict[str, Any]:
        return dict(self._ask(lambda store, path: store.info(path), {}))

    def _stripped(self) -> str:
        return str(store_of(self.address)._strip_protocol(self.address))

    def _ask(self, request: Callable[[Any, str], Result], nothing: Result | None = None) -> Result:
        """Return what a request gives; ``nothing``, if that is given, for what is not there."""
        try:
            store = store_of(self.address)
            return tried(lambda: request(store, store._strip_protocol(self.address)), self.address)
        except FileNotFoundError as error:
            if code_of(error) == "NoSuchBucket":
                hint = "make the bucket, or correct the address"
                raise StoreError(self.address, f"there is no bucket {self.parts[0]}", hint) from error
            if nothing is None:
                raise FileNotFoundError(errno.ENOENT, "no such object", self.address) from error
            return nothing
        except (FileExistsError, TypeError, RmodError):
            raise
        except Exception as error:
            if isinstance(error, NotImplementedError) or getattr(error, "errno", None) == errno.ENOSYS:
                raise UnableError(self.address, "its store cannot do that", "choose another store") from error
            if isinstance(error, OSError) and error.errno in LOCAL_DISK:
                raise
            raise complaint(self.address, error) from error
