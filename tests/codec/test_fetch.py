"""Downloads from a local server: complete, interrupted, resumed, wrong, unreachable."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rmod_pipeline.codec import download
from rmod_pipeline.codec.catalogue import KnownCodec
from rmod_pipeline.codec.download import download_weights
from rmod_pipeline.errors import CodecError

CONTENT = bytes(range(256)) * 4096


class Server(ThreadingHTTPServer):
    """Serves CONTENT; closes a reply after ``cut`` bytes; can ignore ranges."""

    cut: int | None = None
    ranges = True
    refuses = False
    requests: list[str | None]
    """The Range header of each request."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        self.server.requests.append(requested)
        if self.server.refuses:
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", requested)[0]) if requested and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        part = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: self.server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def known(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnownCodec:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path))
    monkeypatch.setattr(download, "BLOCK", 1 << 16)
    url = f"http://127.0.0.1:{server.server_port}/weights.pth"
    return KnownCodec(name="x", about="", file="x.pth", url=url, sha256=hashlib.sha256(CONTENT).hexdigest())


def test_weights_are_downloaded_once(known: KnownCodec, server: Server) -> None:
    progress: list[tuple[int, int | None]] = []
    path = download_weights(known, lambda done, total: progress.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert download_weights(known) == path
    assert server.requests == [None]


def test_an_interrupted_download_is_resumed(known: KnownCodec, server: Server) -> None:
    server.cut = 300_000
    with pytest.raises(CodecError, match="it resumes the download"):
        download_weights(known)
    assert not known.path.exists()
    server.cut = None
    assert download_weights(known).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_a_server_without_ranges_sends_the_whole_file(known: KnownCodec, server: Server) -> None:
    known.path.parent.mkdir(parents=True)
    known.path.with_name("x.pth.part").write_bytes(b"something else")
    server.ranges = False
    assert download_weights(known).read_bytes() == CONTENT


def test_a_complete_partial_file_is_verified_and_kept(known: KnownCodec) -> None:
    known.path.parent.mkdir(parents=True)
    known.path.with_name("x.pth.part").write_bytes(CONTENT)
    assert download_weights(known).read_bytes() == CONTENT


def test_a_file_with_another_checksum_is_removed(known: KnownCodec) -> None:
    known.path.parent.mkdir(parents=True)
    partial = known.path.with_name("x.pth.part")
    partial.write_bytes(b"\xff" * 1000)
    with pytest.raises(CodecError, match="expected"):
        download_weights(known)
    assert not partial.exists()
    assert download_weights(known).read_bytes() == CONTENT


def test_a_changed_file_is_downloaded_again(known: KnownCodec) -> None:
    download_weights(known).write_bytes(b"changed")
    assert download_weights(known).read_bytes() == CONTENT


def test_an_unreachable_server_gives_a_hint(known: KnownCodec, server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(CodecError, match=r"cannot be downloaded.*\n.*put it at"):
        download_weights(known)


def test_a_shipped_codec_needs_no_network(tmp_path: Path) -> None:
    shipped = KnownCodec(name="x", about="", file="mini.pth")
    assert download_weights(shipped) == shipped.path


def test_an_answer_that_is_an_error_is_reported_with_its_reason(known: KnownCodec, server: Server) -> None:
    server.refuses = True
    with pytest.raises(CodecError, match="cannot be downloaded: Not Found"):
        download_weights(known)
