"""Run a real S3 server on this machine, and make its answers fail, for tests of data sets on object stores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

SECRET = "a-secret-that-nobody-may-read"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIA0123456789TESTS",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

Fault = Callable[[str, str], int | None]
"""Gets method and path of a request, and returns the status to fail with, or None to let it pass."""

_CODES = {403: "AccessDenied", 404: "NoSuchUpload", 500: "InternalError", 503: "SlowDown"}


class _SilentHandler(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


class Server:
    """The S3 server of moto in a thread."""

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_SilentHandler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.fault: Fault = lambda _method, _path: None
        self.cut: Callable[[str, str], bool] = lambda _method, _path: False
        """Whether the answer to a request ends in the middle."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request."""
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the server and its thread."""
        self._server.shutdown()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
        self.requests.append(request)
        status = self.fault(*request)
        if status is None:
            answer: Iterable[bytes] = self._application(environ, start)
            if self.cut(*request):
                content = b"".join(answer)
                return [content[: len(content) // 2]]
            return answer
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(f"{status} {_CODES[status]}", [("Content-Type", "application/xml")])
        if request[0] == "HEAD":
            return []
        return [f"<Error><Code>{_CODES[status]}</Code><Message>not now</Message></Error>".encode()]


class Bucket:
    """A new bucket, and what a test does with it without rmod."""

    def __init__(self, server: Server) -> None:
        self.server, self.name = server, f"bucket-{uuid4().hex[:8]}"
        self._client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRET,
        )
        self._client.create_bucket(Bucket=self.name)
        server.requests.clear()

    def __str__(self) -> str:
        return f"s3://{self.name}"

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of all objects with a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def get(self, key: str) -> bytes:
        """Return the content of an object."""
        content: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def put_folder(self, folder: Path, key: str) -> None:
        """Write all files of a folder below a key."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def remove(self, key: str) -> None:
        """Remove an object."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def reproducible_files(self, out: str) -> dict[str, bytes]:
        """Return the objects of a data set by name, without those of its log."""
        names = [key.removeprefix(f"{out}/") for key in self.keys(f"{out}/")]
        return {name: self.get(f"{out}/{name}") for name in names if not name.startswith("log/")}

    def count_requests(self, method: str, suffix: str) -> int:
        """Return the number of requests with a method for paths with a suffix."""
        return sum(request == method and path.endswith(suffix) for request, path in self.server.requests)
