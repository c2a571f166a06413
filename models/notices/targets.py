"""Where messages may be sent: no loopback, no private network, unless the deployment says so (SSRF).

Pure: addresses are checked here, names are resolved by whoever sends, and each address that a name resolves to is
checked again then.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

_NAT64: Final = IPv6Network("64:ff9b::/96")

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
