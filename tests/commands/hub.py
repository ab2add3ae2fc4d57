"""A hub of one model on this machine, as far as huggingface_hub asks one: for tests of `pull`."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "a" * 40
NAME = "someone/tiny"


class Hub:
    """What it has, what it was asked for, and how it fails."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.lies: set[str] = set()
        """Files of which it sends another content than it promises."""
        self.is_gated = False
        """It gives the model only to those who have agreed to its terms."""
        self.breaks_after: int | None = None
        """Bytes of a file after which the next connection is cut, once."""
        self.asked: list[str] = []
        """Path and range of every request for a file's content."""
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer requests meanwhile."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _info(self) -> dict[str, Any]:
        siblings = []
        for name, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
            if is_large(name):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        return {
            "id": NAME,
            "sha": COMMIT,
            "tags": ["license:apache-2.0"],
            "config": {"model_type": "llama"},
            "siblings": siblings,
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

            def do_HEAD(self) -> None:
                self._answer(with_content=False)

            def do_GET(self) -> None:
                self._answer(with_content=True)

            def _answer(self, *, with_content: bool) -> None:
                path = self.path.partition("?")[0]
                if hub.is_gated:
                    self._refuse(403, "GatedRepo")
                elif path in (f"/api/models/{NAME}", f"/api/models/{NAME}/revision/main"):
                    self._send(json.dumps(hub._info()).encode(), {}, with_content=with_content)
                elif (name := path.removeprefix(f"/{NAME}/resolve/{COMMIT}/")) in hub.files:
                    self._send_file(name, with_content=with_content)
                elif path.startswith(f"/api/models/{NAME}/revision/"):
                    self._refuse(404, "RevisionNotFound")
                else:
                    self._refuse(404, "RepoNotFound")

            def _refuse(self, status: int, code: str) -> None:
                self._send(b"", {"X-Error-Code": code}, status=status, with_content=False)

            def _send_file(self, name: str, *, with_content: bool) -> None:
                content = hub.files[name]
                digest = hashlib.sha256(content) if is_large(name) else hashlib.sha1(content)
                if name in hub.lies:
                    content = content[::-1]
                begin, status, part = 0, 200, self.headers.get("Range", "")
                if with_content:
                    hub.asked.append(f"{name} {part}".strip())
                headers = {"ETag": f'"{digest.hexdigest()}"', "X-Repo-Commit": COMMIT}
                if part.startswith("bytes="):
                    begin, status = int(part[6:].partition("-")[0]), 206
                    headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
                self._send(content[begin:], headers, status=status, with_content=with_content)

            def _send(
                self,
                content: bytes,
                headers: dict[str, str],
                *,
                status: int = 200,
                with_content: bool,
            ) -> None:
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                if with_content:
                    if hub.breaks_after is not None and len(content) > hub.breaks_after:
                        content, hub.breaks_after = content[: hub.breaks_after], None
                        self.close_connection = True
                    self.wfile.write(content)

        return Handler


def is_large(name: str) -> bool:
    """Whether the hub keeps it apart, by its sha256."""
    return name.endswith((".safetensors", ".gguf"))
