"""Represent an address on an object store with the methods of a pathlib path."""

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
    Result,
    StoreError,
    UnsupportedError,
    describe_store_error,
    error_code,
    open_store,
    retry_parts,
    retry_request,
    write_limit,
)
from rmod_pipeline.storage.writing import LOCAL_DISK_ERRNOS


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """The properties of an object that rmod reads, under the names of ``os.stat_result``."""

    st_size: int


@dataclass(frozen=True, slots=True)
class StorePath:
    """An address on an object store, small enough to be sent to a worker.

    Like pathlib, its methods raise FileNotFoundError for a missing object. They raise StoreError for a store that
    cannot be used.
    """

    address: str
    """``s3://bucket/data``, without a slash at the end."""
    listing: Mapping[str, int] | None = field(default=None, compare=False, repr=False)
    """Sizes in bytes by address, as of one moment; if set, no request is needed to see what exists."""
    contents: Mapping[str, bytes] | None = field(default=None, compare=False, repr=False)
    """Contents by address of some objects that were read in advance."""

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str | PurePosixPath) -> StorePath:
        return self._at(f"{self.address}/{name}")

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket, then the names below it."""
        return tuple(self.address.partition("://")[2].split("/"))

    @property
    def name(self) -> str:
        """The last name of the address."""
        return self.parts[-1]

    @property
    def stem(self) -> str:
        """The last name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The suffix of the last name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> StorePath:
        """The address above this one; a bucket is its own parent."""
        above = self.address.rpartition("/")[0] if len(self.parts) > 1 else self.address
        return self._at(above)

    def resolve(self) -> StorePath:
        """Return the address unchanged, because it is never relative."""
        return self

    absolute = resolve

    def relative_to(self, other: StorePath) -> PurePosixPath:
        """Return the part below another address. Raises ValueError if this address is not below it."""
        if not self.address.startswith(f"{other.address}/"):
            raise ValueError(f"{self} is not below {other}")
        return PurePosixPath(self.address[len(other.address) + 1 :])

    def join_relative(self, relative: str) -> StorePath:
        """Return the address of a relative path, with ``..`` resolved. Raises ValueError if it leaves the bucket."""
        scheme, _, path = self.address.partition("://")
        joined = posixpath.normpath(f"{path}/{relative}")
        if joined.split("/")[0] != self.parts[0]:
            raise ValueError(f"{relative} leads out of {scheme}://{self.parts[0]}")
        return self._at(f"{scheme}://{joined}")

    def with_listing(self) -> StorePath:
        """Return the same address with a list of all objects below it: a few requests in place of thousands."""
        found: dict[str, Any] = self._ask(lambda store, path: store.find(path, detail=True), default={})
        prefix = self._store_path()
        sizes = {f"{self.address}{name[len(prefix) :]}": int(info["size"] or 0) for name, info in found.items()}
        return StorePath(self.address, sizes)

    def without_cache(self) -> StorePath:
        """Return the same address without listing and contents, so that it asks the store."""
        return StorePath(self.address)

    def with_prefetched(self, objects: Iterable[StorePath]) -> StorePath:
        """Return the same address with the contents of some objects, read in parallel.

        An object that cannot be read now is read when it is needed.
        """
        addresses = {path._store_path(): path.address for path in objects}
        answers: Mapping[str, Any] = {}
        if addresses:
            answers = self._ask(lambda store, _: store.cat(list(addresses), on_error="return"), {})
        contents = {addresses[path]: bytes(answer) for path, answer in answers.items() if isinstance(answer, bytes)}
        return StorePath(self.address, self.listing, contents)

    def exists(self) -> bool:
        """Return whether there is an object at this address or below it."""
        return bool(self._info()) if self.listing is None else self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Return whether there is an object at this address."""
        if self.listing is not None:
            return self.address in self.listing
        return self._info().get("type") == "file"

    def is_dir(self) -> bool:
        """Return whether there are objects below this address."""
        if self.listing is not None:
            return any(address.startswith(f"{self.address}/") for address in self.listing)
        return self._info().get("type") == "directory"

    def stat(self) -> ObjectStatus:
        """Return the object's size. Raises FileNotFoundError."""
        if self.listing is not None and self.address in self.listing:
            return ObjectStatus(self.listing[self.address])
        return ObjectStatus(int(self._file_info()["size"] or 0))

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """Yield the objects whose address below this one matches a pattern of names, such as ``*/codec.json``."""
        listed = self if self.listing is not None else self.with_listing()
        patterns = pattern.split("/")
        for address in listed.listing or ():
            if address.startswith(f"{self.address}/"):
                names = address[len(self.address) + 1 :].split("/")
                if len(names) == len(patterns) and all(map(fnmatchcase, names, patterns)):
                    yield self._at(address)

    def read_bytes(self) -> bytes:
        """Return the object's bytes, with one request. Raises FileNotFoundError."""
        if self.contents is not None and self.address in self.contents:
            return self.contents[self.address]
        return bytes(self._ask(lambda store, path: store.cat_file(path)))

    def fetch(self, target: Path) -> None:
        """Copy the object to a local file; the store's client may split a large one into several requests."""

        def get_file(store: Any, path: str) -> None:
            with retry_parts(store):
                store.get_file(path, str(target))

        self._ask(get_file)

    def upload(self, file: Path) -> None:
        """Write a local file to this address; readers see the old object or all of the new one."""
        size = file.stat().st_size

        def put_file(store: Any, path: str) -> None:
            try:
                with retry_parts(store) if size >= LARGE_BYTES else nullcontext():
                    store.put_file(str(file), path, **write_limit(store, size))
            except FileNotFoundError as error:
                if error_code(error) != "NoSuchUpload":
                    raise
                # The store may have joined the parts although its answer was lost. Then a retry of this request
                # finds no upload, so the whole file is sent again.
                raise ConnectionError("the store does not know the unfinished upload") from None

        self._ask(put_file)

    def write_bytes(self, content: bytes) -> None:
        """Write an object at this address, in place of an existing one."""
        self._ask(lambda store, path: store.pipe_file(path, content, **write_limit(store, len(content))))

    def create(self, content: bytes) -> bool:
        """Write an object unless the address has one; return whether it was written.

        S3 and Google Cloud Storage let one of two simultaneous calls win. On a store without conditional writes both
        calls may return True, and the later content stays.
        """
        try:
            self._ask(
                lambda store, path: store.pipe_file(path, content, mode="create", **write_limit(store, len(content)))
            )
        except FileExistsError:
            return False
        except (UnsupportedError, TypeError):
            if self.is_file():
                return False
            self.write_bytes(content)
        return True

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object. S3 raises no error for a missing one."""
        try:
            self._ask(lambda store, path: store.rm_file(path))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def version(self) -> str:
        """Return a hash of the store's description of the object, which changes with its bytes.

        Raises FileNotFoundError.
        """
        description = repr(sorted((key, str(value)) for key, value in self._file_info().items()))
        return hashlib.sha256(f"{self.address} {description}".encode()).hexdigest()

    def _at(self, address: str) -> StorePath:
        return StorePath(address, self.listing, self.contents)

    def _info(self) -> dict[str, Any]:
        """Return fsspec's description of what is at this address; empty if there is nothing."""
        return dict(self._ask(lambda store, path: store.info(path), {}))

    def _file_info(self) -> dict[str, Any]:
        info = self._info()
        if info.get("type") != "file":
            raise FileNotFoundError(errno.ENOENT, "no such object", self.address)
        return info

    def _store_path(self) -> str:
        """Return the address as the store's client writes it, without the scheme."""
        return str(open_store(self.address)._strip_protocol(self.address))

    def _ask(self, request: Callable[[Any, str], Result], default: Result | None = None) -> Result:
        """Return the result of a request; for a missing object the default, if there is one."""
        try:
            store = open_store(self.address)
            return retry_request(lambda: request(store, store._strip_protocol(self.address)), self.address)
        except FileNotFoundError as error:
            if error_code(error) == "NoSuchBucket":
                hint = "make the bucket, or correct the address"
                raise StoreError(self.address, f"there is no bucket {self.parts[0]}", hint) from error
            if default is None:
                raise FileNotFoundError(errno.ENOENT, "no such object", self.address) from error
            return default
        except (FileExistsError, TypeError, RmodError):
            raise
        except Exception as error:
            if isinstance(error, NotImplementedError) or getattr(error, "errno", None) == errno.ENOSYS:
                found = "its store does not support this request"
                raise UnsupportedError(self.address, found, "choose another store") from error
            if isinstance(error, OSError) and error.errno in LOCAL_DISK_ERRNOS:
                raise
            raise describe_store_error(self.address, error) from error
