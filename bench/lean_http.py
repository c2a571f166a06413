"""An HTTP client that costs little: on two processors, what the caller burns is missing to what is measured.

Kept-alive connections, POST of JSON or a form, answers with a Content-Length. Nothing else.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

LONGEST_IDLE = 3.0
"""Seconds; the server hangs up after five."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    text: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)


@dataclass(slots=True)
class Connection:
    """Kept alive; `since` is when it was last used."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float = 0.0


@dataclass(slots=True)
class LeanHttp:
    """One server; a connection per request that is on its way, used again."""

    host: str
    port: int
    token: str = ""
    _idle: list[Connection] = field(default_factory=list)

    async def log_in(self, username: str, password: str) -> None:
        """Every later request carries the token."""
        form = urlencode({"username": username, "password": password}).encode()
        answer = await self._post("/api/auth/token/", form, "application/x-www-form-urlencoded")
        self.token = answer.json()["access_token"]

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST of JSON."""
        return await self._post(path, json.dumps(body).encode(), "application/json")

    async def _post(self, path: str, body: bytes, kind: str) -> Answer:
        connection = await self._take()
        authorization = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{authorization}"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.writer.write(head.encode() + body)
        lines = (await connection.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        text = await connection.reader.readexactly(int(headers["content-length"]))
        connection.since = time.monotonic()
        self._idle.append(connection)
        return Answer(int(lines[0].split()[1]), text)

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() - connection.since < LONGEST_IDLE:
                return connection
            connection.writer.close()
        return Connection(*await asyncio.open_connection(self.host, self.port, limit=2**22))

    async def close(self) -> None:
        """Hang up."""
        for connection in self._idle:
            connection.writer.close()
        for connection in self._idle:
            with suppress(ConnectionError):
                await connection.writer.wait_closed()
        self._idle.clear()
