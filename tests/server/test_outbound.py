"""Calls to others keep their rules: scheme, address, size, time. Nothing here leaves loopback."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.errors import Invalid
from server.flows.addresses import Received, Unreachable, check, dialable
from server.flows.outbound import Limits, fetch
from tests.support.certificates import self_signed
from tests.support.site import Site, serving

LIMITS = Limits(seconds=10)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path)


def get(site: Site, limits: Limits = LIMITS, **url: str) -> Received:
    return fetch(site.url(**url), accept="application/json", limits=limits)


def test_a_small_document_comes_back_with_its_header_fields(site: Site) -> None:
    site.body, site.headers = b'{"keys": []}', {"Cache-Control": "max-age=60"}
    received = get(site)
    assert received.body == b'{"keys": []}'
    assert received.headers["cache-control"] == "max-age=60"
    assert site.asked[0][1]["accept"] == "application/json"


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks",
        "http://10.0.0.1/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/passwd",
        "https://user:secret@keys.example/jwks",
        "https:///jwks",
        "https://keys.example:99999/jwks",
        "https://keys.example/jwks#part",
        "//keys.example/jwks",
        "jwks",
        "https://keys.example/a\nHost: b",
    ],
)
def test_an_address_that_is_neither_https_nor_loopback_is_refused_in_plain_words(url: str) -> None:
    with pytest.raises(Invalid, match=r"https|address"):
        check(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_plain_http_may_lead_to_this_machine(host: str) -> None:
    assert check(f"http://{host}:8080/jwks").scheme == "http"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_a_name_turned_towards_a_metadata_or_reserved_address_is_not_dialled(address: str) -> None:
    """No packet is sent: the resolver is ours, and the rule speaks before any socket is made."""
    parts = urlsplit("https://keys.example/jwks")
    with pytest.raises(Unreachable, match="may not be dialled"):
        dialable(parts, lambda _: [address])
    with pytest.raises(Unreachable, match="may not be dialled"):
        dialable(parts, lambda _: ["198.51.100.7", address])


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.7.7", "198.51.100.7", "fd00::7"])
def test_a_hospitals_own_network_may_be_reached_over_https_alone(address: str) -> None:
    assert dialable(urlsplit("https://ehr.example/jwks"), lambda _: [address]) == [address]
    with pytest.raises(Unreachable):
        dialable(urlsplit("http://localhost/jwks"), lambda _: [address])


def test_a_name_without_an_address_is_unreachable() -> None:
    def unknown(_: str) -> list[str]:
        raise socket.gaierror

    def silent(_: str) -> list[str]:
        return []

    for resolve in (unknown, silent):
        with pytest.raises(Unreachable):
            fetch("https://keys.example/", accept="*/*", limits=replace(LIMITS, resolve=resolve))


def test_the_checked_address_is_the_one_that_is_dialled(
    certificate: tuple[Path, Path],
) -> None:
    """The certificate is for localhost: the name counts for TLS, the resolver for the address."""
    limits = replace(LIMITS, certificates=str(certificate[0]), resolve=lambda _: ["127.0.0.1"])
    with serving(certificate) as site:
        assert get(site, limits, host="localhost").body == b"{}"
        assert site.asked[0][1]["host"] == f"localhost:{site.port}"


def test_a_server_without_a_certificate_for_the_name_gets_no_request(
    certificate: tuple[Path, Path],
) -> None:
    """So a name that somebody turns towards an inner server gives nothing away (DNS rebinding)."""
    limits = replace(LIMITS, certificates=str(certificate[0]), resolve=lambda _: ["127.0.0.1"])
    with serving(certificate) as site:
        with pytest.raises(Unreachable):
            get(site, limits, host="keys.example")
        assert site.asked == []


@pytest.mark.parametrize("status", [301, 302, 404, 500, 204])
def test_whatever_is_not_200_is_unreachable_and_redirects_are_not_followed(
    site: Site, status: int
) -> None:
    site.status, site.headers = status, {"Location": "/elsewhere"}
    with pytest.raises(Unreachable):
        get(site)
    assert [path for path, _ in site.asked] == ["/"]


def test_an_answer_that_is_too_long_is_dropped(site: Site) -> None:
    site.body = b"x" * 1001
    with pytest.raises(Unreachable, match="longer"):
        get(site, replace(LIMITS, bytes=1000))


def test_compression_is_neither_asked_for_nor_taken(site: Site) -> None:
    site.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(Unreachable):
        get(site)
    assert site.asked[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_drips_is_cut_off_in_its_header_and_in_its_body(
    site: Site, first: bytes
) -> None:
    """It would go on for ever: that the call ends at all is the point."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(first)
        handler.connection.settimeout(0.05)
        while True:
            try:
                handler.wfile.write(b"x")
                if not handler.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break

    site.instead = drip
    with pytest.raises(Unreachable, match="time was over"):
        get(site, Limits(seconds=0.3))


def test_proxies_of_the_environment_are_not_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(site).body == b"{}"
