"""Speaks HTTP to addresses that tenants chose, without ever being led into our own network (SSRF).

A name is resolved here and every address checked; the request then goes to the checked address itself, with the name
in the Host header and in TLS, so that a name that resolves differently a moment later (DNS rebinding) gains nothing.
Redirects are not followed, proxies of the environment not used, and little is read of the answer.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx

from models.notices.targets import TargetRefusedError, check_url, is_public

TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)
MOST_READ: Final = 2_000
"""Characters of an answer that are kept, to say why a receiver refused."""


async def public_addresses(host: str, port: int, *, private_allowed: bool) -> list[str]:
    """The addresses of a host, all of them checked.

    Raises:
        TargetRefusedError: one of them is not public.
        OSError: the name does not resolve.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not private_allowed and not all(is_public(one) for one in addresses):
        raise TargetRefusedError(f"{host} leads into a private network")
    return addresses


class AnswerTooLongError(Exception):
    """The receiver says more than is read of an answer that is wanted whole."""


async def post(url: str, content: bytes, headers: Mapping[str, str], *, private_allowed: bool) -> tuple[int, str]:
    """POST to a tenant's address.

    Returns:
        The status, and the beginning of the answer.

    Raises:
        TargetRefusedError: the address may not be spoken to.
        OSError, httpx.HTTPError: it could not be.
    """
    async with _sent("POST", url, content, headers, TIMEOUT, private_allowed=private_allowed) as answer:
        return answer.status_code, await _beginning(answer)


async def ask(
    method: str,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    private_allowed: bool,
    seconds: float,
    most_read: int,
) -> tuple[int, bytes]:
    """Send a request to a tenant's address and read the whole answer.

    Args:
        method: HTTP's word.
        url: Where to.
        content: The body; empty for none.
        headers: Of the request; `Host` is ours.
        private_allowed: Whether it may lead into the own network.
        seconds: How long each part of the exchange may take.
        most_read: Bytes of an answer; compressed ones are not asked for, so that none grows on the way.

    Returns:
        The status and the answer's body.

    Raises:
        TargetRefusedError: the address may not be spoken to.
        AnswerTooLongError: the answer is longer than `most_read`.
        OSError, httpx.HTTPError: it could not be.
    """
    plain = {**headers, "Accept-Encoding": "identity"}
    timeout = httpx.Timeout(seconds)
    async with _sent(method, url, content, plain, timeout, private_allowed=private_allowed) as answer:
        said = b""
        async for chunk in answer.aiter_raw():
            said += chunk
            if len(said) > most_read:
                raise AnswerTooLongError(f"the answer is longer than {most_read} bytes")
        return answer.status_code, said


@asynccontextmanager
async def _sent(
    method: str,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    timeout: httpx.Timeout,  # noqa: ASYNC109 - of each part of the exchange, not of this call
    *,
    private_allowed: bool,
) -> AsyncIterator[httpx.Response]:
    """The answer to a request to the checked address itself, its body not read yet."""
    check_url(url, private_allowed=private_allowed)
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = (await public_addresses(host, port, private_allowed=private_allowed))[0]
    direct = httpx.URL(url).copy_with(host=address)
    async with (
        httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False) as client,
        client.stream(
            method, direct, content=content, headers={**headers, "Host": parts.netloc},
            extensions={"sni_hostname": host},
        ) as answer,
    ):  # fmt: skip
        yield answer


async def _beginning(answer: httpx.Response) -> str:
    """The first characters; a long or compressed answer is not read further."""
    kept = b""
    async for chunk in answer.aiter_raw():
        kept += chunk[:MOST_READ]
        if len(kept) >= MOST_READ:
            break
    return kept[:MOST_READ].decode(errors="replace")
