"""Where messages may go: no way into the own network, however it is spelled."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.notices.event_types import JOURNAL_TYPES, TYPES, event_kinds, unknown_types, wants
from models.notices.targets import TargetRefusedError, below, check_apprise, check_base, check_url, is_public, origin_of
from models.outgoing import post, public_addresses

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_the_own_network_are_not_public(address: str) -> None:
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(TargetRefusedError):
        check_url(f"https://{host}/hook", private_allowed=False)
    with pytest.raises(TargetRefusedError):
        check_apprise(f"jsons://{host}/hook", private_allowed=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///x", "https://", "example.com",
        "https://user:pw@example.com/", "https://user@example.com/", "https://example.com/#x", "https://localhost/",
        "https://LOCALHOST./", "https://intranet/", "https://db.internal/", "https://printer.local/",
        "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://0177.0.0.1/", "https://[::1]/",
        "https://example.com:99999/", "https://example.com:0/", "https://exa mple.com/", "https://example.com/\r\nX: y",
        "gopher://example.com/", "https://[::1", "https://a.0x7f/",
    ],
)  # fmt: skip
def test_a_webhook_may_not_have_this_address(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        check_url(url, private_allowed=False)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?a=b", "https://hooks.example.com:8443/x", "https://1.1.1.1/"]
)
def test_a_webhook_may_have_this_address(url: str) -> None:
    check_url(url, private_allowed=False)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://erp.example.com", "", "https://erp.example.com"),
        ("https://erp.example.com/api/", "/orders/1?full=true", "https://erp.example.com/api/orders/1?full=true"),
        ("https://erp.example.com/api", "a%2Fb/v1.2/..x", "https://erp.example.com/api/a%2Fb/v1.2/..x"),
        ("https://erp.example.com", "?number=1/../2", "https://erp.example.com?number=1/../2"),
        ("https://erp.example.com", "@evil.example/x", "https://erp.example.com/@evil.example/x"),
        ("https://erp.example.com", "//evil.example/x", "https://erp.example.com/evil.example/x"),
    ],
)
def test_a_path_stays_below_its_base(base: str, path: str, url: str) -> None:
    assert below(base, path) == url


@pytest.mark.parametrize(
    "path",
    ["..", "a/../b", "./a", "a/%2e%2E/b", "%252e%252e/b", "a%2f..%2fb", "a%5c..%5cb", "..;x=1/b", "a\\b", "a b", "a#b",
     "a\r\nb", "%25" * 2_000, 7, None, ["a"]],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused(path: object) -> None:
    with pytest.raises(TargetRefusedError):
        below("https://erp.example.com/api", path)


@given(st.text(max_size=30))
def test_whatever_the_path_the_host_stays_and_so_does_the_base(path: str) -> None:
    try:
        url = httpx.URL(below("https://erp.example.com/api", path))
    except TargetRefusedError:
        return
    assert (url.scheme, url.host, url.port, url.userinfo) == ("https", "erp.example.com", None, b"")
    assert url.raw_path == b"/api" or url.raw_path.startswith((b"/api/", b"/api?"))


@pytest.mark.parametrize(
    "url",
    ["https://erp.example.com/?a=b", "https://erp.example.com/a/../b", "http://erp.example.com/", "https://10.1.2.3/"],
)
def test_a_connector_may_not_have_this_base(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        check_base(url, private_allowed=False)


def test_the_same_host_by_another_spelling_is_the_same() -> None:
    assert origin_of("https://ERP.example.com/a") == origin_of("https://erp.example.com:443/b")
    assert origin_of("https://erp.example.com/") != origin_of("https://erp.example.com:8443/")


def test_a_deployment_may_allow_its_own_network() -> None:
    check_url("http://127.0.0.1:8080/hook", private_allowed=True)
    check_apprise("json://127.0.0.1:8080/hook", private_allowed=True)
    with pytest.raises(TargetRefusedError):
        check_url("file:///etc/passwd", private_allowed=True)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "syslog://", "dbus://", "exec://ls", "mailto://a:b@example.com", "json://localhost/x",
     "jsons://", "nothing", "slack:/x", "ntfy://router.local/x", "slack://a b"],
)  # fmt: skip
def test_a_channel_may_not_have_this_address(url: str) -> None:
    with pytest.raises(TargetRefusedError):
        check_apprise(url, private_allowed=False)


@pytest.mark.parametrize("url", ["slack://T1/B2/c3/#quality", "mmosts://chat.example.com/token", "msteams://a/b/c/d"])
def test_a_channel_may_have_this_address(url: str) -> None:
    check_apprise(url, private_allowed=False)


async def test_a_name_that_resolves_into_the_own_network_is_refused_when_it_is_spoken_to() -> None:
    with pytest.raises(TargetRefusedError):
        await public_addresses("localhost", 443, private_allowed=False)
    assert await public_addresses("localhost", 443, private_allowed=True)
    with pytest.raises(TargetRefusedError):
        await post("https://127.0.0.1:1/x", b"", {}, private_allowed=False)


def test_types_of_events_are_named_and_grouped() -> None:
    assert JOURNAL_TYPES["gatework.execution.signed_off"] == "execution_signed_off"
    assert "gatework.instance.completed" in TYPES
    assert not any("checked" in one or "command" in one for one in TYPES)
    assert wants(["*"], "gatework.instance.completed")
    assert wants(["gatework.instance.*"], "gatework.instance.completed")
    assert not wants(["gatework.instance.*"], "gatework.execution.completed")
    assert not wants([], "gatework.instance.completed")
    assert event_kinds(["gatework.instance.completed", "gatework.approval.requested"]) == {"instance_completed"}
    assert unknown_types(["*", "gatework.execution.*", "gatework.nothing.*", "x"]) == ["gatework.nothing.*", "x"]
