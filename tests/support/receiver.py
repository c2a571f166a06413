"""A real HTTP server on loopback that keeps what is posted to it, and answers what a test wants it to."""

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Posted:
    """One request; header names in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """The event's type; empty where it is no event."""
        found = self.json
        return str(found.get("type", "")) if isinstance(found, dict) else ""

    def is_signed_with(self, secret: str) -> bool:
        """By the published algorithm of Standard Webhooks, written down here once more and not taken from any library.

        HMAC-SHA-256 of `id.timestamp.body` with the base64-decoded secret, as base64 after `v1,`.
        """
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return expected in self.headers["webhook-signature"].split(" ")


class Receiver:
    """Requests in the order in which they came; `answers` are the statuses of the next ones, then 204.

    Where it `says` anything, 200 takes the place of 204.

    `refuse` says so for events of one type only.
    """

    def __init__(self) -> None:
        """Not listening yet."""
        self.posted: list[Posted] = []
        self.answers: list[int] = []
        self._refusals: dict[str, list[int]] = {}
        self.headers: dict[str, str] = {}
        """Sent with every answer."""
        self.says = b""
        """The body of every answer."""
        self.gate = threading.Event()
        """Answers wait until it is set."""
        self.gate.set()
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._take(Posted(self.path, headers, body))
                receiver.gate.wait(30)
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.says)))
                self.end_headers()
                self.wfile.write(receiver.says)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _take(self, posted: Posted) -> int:
        with self._arrived:
            self.posted.append(posted)
            self._arrived.notify_all()
            refusals = self._refusals.get(posted.type)
            if refusals:
                return refusals.pop(0)
            return self.answers.pop(0) if self.answers else (200 if self.says else 204)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str = "/hook") -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}{path}"

    def refuse(self, kind: str, *statuses: int) -> None:
        """Answer the next events of a type with these."""
        self._refusals[kind] = list(statuses)

    def heard(self, kind: str) -> list[Posted]:
        """What was posted of a type."""
        return [one for one in self.posted if one.type == kind]

    def wait_for(self, kind: str, count: int, seconds: float = 30.0) -> list[Posted]:
        """What was posted of a type, once it is so many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.heard(kind)) >= count, seconds), self.posted
            return self.heard(kind)

    def wait(self, count: int, seconds: float = 30.0) -> list[Posted]:
        """What was posted, once it is at least so many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.posted) >= count, seconds), self.posted
            return list(self.posted)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
