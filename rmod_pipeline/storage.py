"""Places: a path on this machine, or the address of something on an object store (``s3://bucket/data``).

Local paths are pathlib's, as ever. An address is a ``StorePath``, which answers to the same few names (``/``,
``exists``, ``read_bytes``, ``glob``, ...), so that who reads a data set need not ask where it lies. What is written
differs: on a store nothing is renamed, so a file is finished on local disk and then put whole, by one ``upload``.

Every request is tried again, with growing and scattered pauses, before it fails with StoreError.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from uuid import uuid4

from rmod_pipeline.errors import RmodError, UsageError, nearest
from rmod_pipeline.places import cache_folder

logger = logging.getLogger(__name__)

TRIES = 8
FIRST_PAUSE_SECONDS = 0.5
"""The most that is waited after a first failure; it doubles, and how much of it is waited is drawn."""
LONGEST_PAUSE_SECONDS = 20.0

TELL_FROM = 3
"""Failures in a row that are worth a warning: one or two are everyday."""

FETCHED_BYTES = 4 * 2**30
"""Disk that copies of what was read from stores may take in the cache; the one in use may be larger."""

INSTALL = 'pip install "rmod-pipeline[cloud]"'
EXAMPLE = "write, for example, s3://bucket/data"

WELL_KNOWN = ("s3", "gs", "gcs", "az", "abfs", "https")

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_ONE_SLASH = re.compile(r"(s3|s3a|gs|gcs|az|abfs):/(?!/)")
_LOCAL_SCHEMES = ("file", "local")
_LOCAL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_PASSING_STATUS = (408, 409, 425, 429)
_LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError)
_LASTING_NAMES = ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "ProfileNotFound")
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|CREDENTIAL|ACCOUNT_KEY", re.IGNORECASE)

Result = TypeVar("Result")


class StoreError(RmodError):
    """An object store does not do what is asked of it: not there, not allowed, or failing again and again."""


class _UnableError(StoreError):
    """A store has no such request."""


@dataclass(frozen=True, slots=True)
class Status:
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
    """Sizes by address, as of one moment: then what is there is told without asking the store. See ``listed``."""
    contents: Mapping[str, bytes] | None = field(default=None, compare=False, repr=False)
    """What is in some of them. See ``ahead``."""

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

    def stat(self) -> Status:
        """Return the object's size."""
        if self.listing is not None and self.address in self.listing:
            return Status(self.listing[self.address])
        found = self._info()
        if found.get("type") != "file":
            raise FileNotFoundError(errno.ENOENT, "no such object", self.address)
        return Status(int(found["size"] or 0))

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
        self._ask(lambda store, path: store.get_file(path, str(target)))

    def upload(self, file: Path) -> None:
        """Put a finished file here: readers see all of it or what was here before."""
        self._ask(lambda store, path: store.put_file(str(file), path))

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
        except (_UnableError, TypeError):
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
        return str(_store(self.address)._strip_protocol(self.address))

    def _ask(self, request: Callable[[Any, str], Result], nothing: Result | None = None) -> Result:
        """Return what a request gives; ``nothing``, if that is given, for what is not there."""
        try:
            store = _store(self.address)
            return _tried(lambda: request(store, store._strip_protocol(self.address)), self.address)
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                hint = "make the bucket, or correct the address"
                raise StoreError(self.address, f"there is no bucket {self.parts[0]}", hint) from error
            if nothing is None:
                raise FileNotFoundError(errno.ENOENT, "no such object", self.address) from error
            return nothing
        except (FileExistsError, TypeError, RmodError):
            raise
        except Exception as error:
            if isinstance(error, NotImplementedError) or getattr(error, "errno", None) == errno.ENOSYS:
                raise _UnableError(self.address, "its store cannot do that", "choose another store") from error
            if isinstance(error, OSError) and error.errno in _LOCAL_DISK:
                raise
            raise _complaint(self.address, error) from error


Place = Path | StorePath


def place(text: str | Place) -> Place:
    """Return where a text leads: a path of this machine, or an address of a store whose client is installed.

    Asks no store. Raises UsageError for an address that cannot be one, or that holds a password.
    """
    if isinstance(text, Path | StorePath):
        return text
    match = _ADDRESS.fullmatch(text)
    if match is None:
        slash = _ONE_SLASH.match(text)
        if slash or "://" in text:
            hint = f"write {slash[1]}://{text[slash.end() :]}" if slash else EXAMPLE
            raise UsageError(text, "is neither a path nor an address", hint)
        return Path(text)
    scheme, rest = match[1].lower(), match[2].rstrip("/")
    if scheme in _LOCAL_SCHEMES:
        return Path(f"/{rest.lstrip('/')}" if rest.startswith("/") else rest)
    names = rest.split("/")
    if ":" in names[0].partition("@")[0] and "@" in names[0]:
        hint = "leave it out: credentials are taken from where the store's own tools take them, see docs/storage.md"
        raise UsageError(f"{scheme}://...@{names[0].rpartition('@')[2]}", "a password in an address", hint)
    if not names[0] or any(name in ("", ".", "..") for name in names[1:]):
        raise UsageError(text, "names no bucket" if not names[0] else "has empty or dotted names in it", EXAMPLE)
    _check_scheme(scheme)
    return StorePath(f"{scheme}://{rest}")


def is_address(text: object) -> bool:
    """Return whether a text is meant as an address, not as a path of this machine."""
    return "://" in str(text)


def listed(where: Place) -> Place:
    """Return a place that knows what is below it, if asking each time would cost a request; a local path as it is."""
    return where.listed() if isinstance(where, StorePath) else where


def ahead(where: Place, wanted: Iterable[Place]) -> Place:
    """Return a place that has read those of the wanted objects that are there; a local path as it is."""
    if not isinstance(where, StorePath):
        return where
    there = [each for each in wanted if isinstance(each, StorePath) and each.is_file()]
    return where.ahead(there)


@contextmanager
def opened(where: Place, fresh: bool = False) -> Iterator[BufferedReader]:
    """Give a file for reading; one on a store is fetched whole, once, into the cache, and read there.

    ``fresh`` fetches it in any case: who asks whether a store's bytes are right must not be shown a copy of yesterday.
    """
    if isinstance(where, Path):
        with where.open("rb") as file:
            yield file
        return
    with _open_copy(where, fresh) as file:
        yield file


def kept_copy(where: StorePath, fresh: bool = False) -> Path:
    """Return a local copy of an object, in the cache; fetched unless the same version of it is there.

    It may go as soon as others are fetched: open it at once.
    """
    folder = cache_folder() / "fetched"
    copy = folder / f"{where.version()[:32]}-{where.name[-100:]}"
    if fresh or not copy.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{uuid4().hex}"
        try:
            where.fetch(draft)
            draft.replace(copy)
        finally:
            draft.unlink(missing_ok=True)
        _make_room(folder, copy)
    with suppress(OSError):
        os.utime(copy)
    return copy


def read_kept(sha256: str) -> bytes | None:
    """Return the bytes of a checksum, if they are in the cache and whole."""
    with suppress(OSError):
        data = _kept(sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    return None


def keep(data: bytes) -> None:
    """Keep bytes in the cache by their checksum, so that a machine fetches a sound once."""
    kept = _kept(hashlib.sha256(data).hexdigest())
    draft = kept.with_name(f".{uuid4().hex}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(kept)
    except OSError as error:
        logger.warning("a sound cannot be kept in the cache: %s", error)
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _kept(sha256: str) -> Path:
    return cache_folder() / "sounds" / sha256[:2] / sha256


def _open_copy(where: StorePath, fresh: bool) -> BufferedReader:
    for _ in range(TRIES):
        copy = kept_copy(where, fresh)
        with suppress(FileNotFoundError):  # another process has made room between the two
            return copy.open("rb")
    raise StoreError(where, "its copy is gone as soon as it is made", "look at the disk that RMOD_CACHE is on")


def _make_room(folder: Path, newest: Path) -> None:
    """Remove the copies that were not used for longest, until the others fit."""
    with suppress(OSError):
        found = [(path.stat(), path) for path in folder.iterdir() if path != newest]
        taken = newest.stat().st_size + sum(status.st_size for status, _ in found)
        for status, path in sorted(found, key=lambda each: each[0].st_mtime):
            if taken <= FETCHED_BYTES:
                return
            path.unlink(missing_ok=True)
            taken -= status.st_size


def _check_scheme(scheme: str) -> None:
    try:
        import fsspec
        import tenacity  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{scheme}://", f"{error.name} is not installed", INSTALL) from error
    from fsspec.registry import known_implementations

    if scheme not in fsspec.available_protocols():
        found = f"no kind of store is called that{nearest(scheme, WELL_KNOWN)}"
        raise UsageError(f"{scheme}://", found, "s3:// and gs:// are; a path of this machine has no ://")
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        said = str(known_implementations.get(scheme, {}).get("err") or error)
        raise UsageError(f"{scheme}://", f"its client is not installed: {said}", _driver_hint(scheme)) from error


def _driver_hint(scheme: str) -> str:
    drivers = {"s3": INSTALL, "s3a": INSTALL, "gs": "pip install gcsfs", "gcs": "pip install gcsfs"}
    azure = dict.fromkeys(("az", "abfs", "adl"), "pip install adlfs")
    return {**drivers, **azure}.get(scheme, "install it where rmod is installed")


def _store(address: str) -> Any:
    """Return the client of an address's store; fsspec keeps one a process."""
    import fsspec

    scheme = address.partition("://")[0]
    options: dict[str, Any] = {"use_listings_cache": False}  # another machine may have put something this moment
    if scheme in ("s3", "s3a"):
        # One who tries again is enough: two inside each other would try dozens of times.
        config = fsspec.config.conf.get("s3", {}).get("config_kwargs")
        options["config_kwargs"] = {
            "retries": {"total_max_attempts": 1},
            **(config if isinstance(config, dict) else {}),
        }
    store = fsspec.filesystem(scheme, **options)
    if scheme in ("s3", "s3a"):
        store.retries = 1
    return store


def _tried(request: Callable[[], Result], about: str) -> Result:
    """Return what a request gives, tried again while its failure may pass."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    def tell(state: RetryCallState) -> None:
        level = logging.WARNING if state.attempt_number >= TELL_FROM else logging.INFO
        said = _said(state.outcome.exception() if state.outcome else None)
        logger.log(level, "%s: %s (try %d of %d)", about, said, state.attempt_number, TRIES)

    tries = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        retry=retry_if_exception(_passing),
        before_sleep=tell,
        reraise=True,
    )
    return tries(request)


def _passing(error: BaseException) -> bool:
    """Return whether a failure may go by itself."""
    if not isinstance(error, Exception) or isinstance(error, (*_LASTING, NotImplementedError, TypeError, RmodError)):
        return False
    if type(error).__name__ in _LASTING_NAMES or getattr(error, "errno", None) in (*_LOCAL_DISK, errno.ENOSYS):
        return False
    status = _status(error)
    return status is None or status >= 500 or status in _PASSING_STATUS or _code(error) == "RequestTimeout"


def _response(error: BaseException) -> Mapping[str, Any]:
    """Return the answer of S3 that an error, or its cause, tells of."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return response
    return {}


def _status(error: BaseException) -> int | None:
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", getattr(error, "code", None))
    return int(status) if str(status).isdecimal() else None


def _code(error: BaseException) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _complaint(address: str, error: Exception) -> StoreError:
    name, said = type(error).__name__, _said(error)
    if "Credentials" in name or name == "ProfileNotFound":
        hint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see docs/storage.md"
        return StoreError(address, f"no credentials: {said}", hint)
    if isinstance(error, PermissionError):
        hint = "look at the credentials that are in force, and at what they may do: list, read, write and delete here"
        return StoreError(address, f"access denied: {said}", hint)
    if not _passing(error):
        return StoreError(address, f"refused: {said}", "correct the address, or look at the store's settings")
    hint = "look at the network and at AWS_ENDPOINT_URL, if that is set; then give the same command again"
    return StoreError(address, f"failed {TRIES} times: {said}", hint)


def _said(error: BaseException | None) -> str:
    """Return what an error says, in one line, without anything that the environment holds as a secret."""
    text = " ".join(str(error).split()) or type(error).__name__
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 8:
            text = text.replace(value, "...")
    return text if len(text) <= 300 else f"{text[:297]}..."
