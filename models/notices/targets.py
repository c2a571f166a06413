"""Where messages may be sent: no loopback, no private network, unless the deployment says so (SSRF).

Pure: addresses are checked here, names are resolved by whoever sends, and each address that a name resolves to is
checked again then.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

_NAT64: Final = IPv6Network("64:ff9b::/96")

LONGEST_PATH: Final = 4_000
"""Characters; servers take little more, and looking through all percent signs takes the square of it."""

APPRISE_SCHEMAS: Final[Mapping[str, bool]] = {
    "slack": False, "msteams": False, "discord": False, "gchat": False, "wxteams": False, "webex": False,
    "tgram": False, "pagerduty": False, "opsgenie": False, "zulip": False,
    "workflows": True, "mmost": True, "mmosts": True, "rocket": True, "rockets": True, "matrix": True,
    "matrixs": True, "ntfy": True, "ntfys": True, "json": True, "jsons": True,
}  # fmt: skip
"""Services that a channel may name, and whether its URL names the host that is spoken to. All others are refused:
some of Apprise's write files, log, or talk to the local desktop."""


class TargetRefusedError(ValueError):
    """A message may not be sent there; the text says why."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; addresses wrapped in IPv6 are looked into."""
    given = ip_address(address.partition("%")[0])
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _meant(given))


def _meant(given: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    if isinstance(given, IPv4Address):
        return [given]
    if given in _NAT64:
        return [IPv4Address(int(given) & 0xFFFF_FFFF)]
    if given.ipv4_mapped is not None:
        return [given.ipv4_mapped]
    wrapped: list[IPv4Address | IPv6Address] = [given]
    if given.sixtofour is not None:
        wrapped.append(given.sixtofour)
    if given.teredo is not None:
        wrapped.extend(given.teredo)
    return wrapped


def check_url(url: str, *, private_allowed: bool) -> None:
    """See that a webhook may have this address, as far as can be told without resolving its name.

    Raises:
        TargetRefusedError: not https, with credentials or fragment, or an address of the own network.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise TargetRefusedError(f"it is no address: {error}") from error
    if parts.scheme not in ({"https", "http"} if private_allowed else {"https"}):
        raise TargetRefusedError("it must begin with https://")
    if not host or port == 0 or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise TargetRefusedError("it names no host, or contains blanks")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise TargetRefusedError("it must not contain a login or a fragment; requests are signed instead")
    _check_host(host, private_allowed=private_allowed)


def below(base: str, path: object) -> str:
    """The address of a path below a base, which it cannot leave: no other host, no `..`, however it is written.

    Args:
        base: An address that `check_base` lets pass.
        path: What an expression made of it: a text such as `orders/4711?full=true`; empty for the base itself.

    Raises:
        TargetRefusedError: it is no text, leads out of the base, or has signs that no address has.
    """
    if not isinstance(path, str):
        raise TargetRefusedError(f"a path is a text, and this is {type(path).__name__}")
    if len(path) > LONGEST_PATH:
        raise TargetRefusedError(f"it is longer than {LONGEST_PATH} characters")
    if any(sign.isspace() or not sign.isprintable() or sign in "\\#" for sign in path):
        raise TargetRefusedError("it contains blanks, '\\' or '#'")
    place, found, query = path.lstrip("/").partition("?")
    for part in _decoded(place).replace("\\", "/").split("/"):
        if part.partition(";")[0] in {".", ".."}:
            raise TargetRefusedError("it leads out of its base")
    return base.rstrip("/") + (f"/{place}" if place else "") + found + query


def _decoded(text: str) -> str:
    """Without percent signs, however often they were put one into another: receivers decode more than once."""
    for _ in text:
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text


def check_base(url: str, *, private_allowed: bool) -> None:
    """See that requests may go below this address.

    Raises:
        TargetRefusedError: as `check_url`, and where it has a query or leads out of itself.
    """
    check_url(url, private_allowed=private_allowed)
    parts = urlsplit(url)
    if parts.query or "?" in url:
        raise TargetRefusedError("it must not contain a query")
    below(f"{parts.scheme}://{parts.netloc}", parts.path)


def origin_of(url: str) -> tuple[str, str, int]:
    """Whom requests to an address speak to: scheme, host, port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def check_apprise(url: str, *, private_allowed: bool) -> None:
    """See that a channel may have this Apprise URL.

    Raises:
        TargetRefusedError: a service that is not on the list, or a host of the own network.
    """
    schema, found, rest = url.strip().partition("://")
    if not found or schema.lower() not in APPRISE_SCHEMAS:
        raise TargetRefusedError(f"it must begin with one of {', '.join(f'{one}://' for one in APPRISE_SCHEMAS)}")
    if any(sign.isspace() or not sign.isprintable() for sign in url.strip()):
        raise TargetRefusedError("it contains blanks")
    if APPRISE_SCHEMAS[schema.lower()]:
        host = apprise_host(url)
        if not host:
            raise TargetRefusedError("it names no host")
        if not rest:
            raise TargetRefusedError("it is not complete")
        _check_host(host, private_allowed=private_allowed)


def apprise_host(url: str) -> str:
    """The host that an Apprise URL leads to; empty where the service's own is meant."""
    schema = url.strip().partition("://")[0].lower()
    if not APPRISE_SCHEMAS.get(schema, True):
        return ""
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError as error:
        raise TargetRefusedError(f"it is no address: {error}") from error


def _check_host(host: str, *, private_allowed: bool) -> None:
    if private_allowed:
        return
    try:
        public = is_public(host)
    except ValueError:
        name = host.rstrip(".").lower()
        public = "." in name and not name.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa"))
        # Some resolvers read 127.1, 0x7f000001 or 2130706433 as addresses.
        public = public and not name.split(".")[-1].startswith("0x") and not name.split(".")[-1].isdigit()
    if not public:
        raise TargetRefusedError("it leads into a private network; an administrator of the deployment may allow that")
