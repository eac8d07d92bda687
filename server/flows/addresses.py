"""Which addresses may be dialled: the rules that every call to others keeps.

Most addresses here were typed by an operator. https may lead to any host, a hospital's private network
included: what answers must hold a certificate for the name, so a name that is turned towards
another machine ends in a failed handshake. http leads to loopback only. Link-local, multicast and
reserved addresses (the metadata services of clouds among them) are never dialled.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from server.errors import Invalid

Resolve = Callable[[str], list[str]]


class Unreachable(Exception):
    """Nothing usable came back. The message is for the log, not for whoever caused the call."""


@dataclass(frozen=True, slots=True)
class Received:
    """A 200 answer: its header fields by lower-case name, and its body."""

    headers: Mapping[str, str]
    body: bytes


def resolve(host: str) -> list[str]:
    """The addresses of a host name, as the system knows them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check(url: str) -> SplitResult:
    """Split an address that an operator typed. Raises Invalid unless it is https, or loopback."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as bad:
        raise Invalid(f"{url}: this is not an address") from bad
    if not host or parts.username is not None or parts.fragment or not url.isprintable():
        raise Invalid(f"{url}: give an address as https://host/path, without user or #")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return parts
    raise Invalid(f"{url}: use https (http is for localhost, 127.0.0.1 and [::1] only)")


def is_loopback(host: str) -> bool:
    """Whether a host name or literal can only mean this machine."""
    try:
        return host == "localhost" or unmapped(host).is_loopback
    except ValueError:
        return False


def unmapped(address: str) -> IPv4Address | IPv6Address:
    """An address, without the IPv6 coat that a dual-stack socket puts on IPv4."""
    found = ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def dialable(parts: SplitResult, resolve: Resolve, *, public: bool = False) -> list[str]:
    """The addresses of a host. One that may not be dialled condemns them all.

    `public` is for what arrived over the network: no private address is dialled for it, and
    loopback only where the host can mean nothing else, which was allowed when it arrived.
    """
    host = parts.hostname or ""
    try:
        addresses = resolve(host)
        judged = [_allowed(unmapped(address), parts.scheme) for address in addresses]
        if public and not is_loopback(host):
            judged += [unmapped(address).is_global for address in addresses]
    except (OSError, ValueError) as error:
        raise Unreachable("the name has no address") from error
    if not addresses or not all(judged):
        raise Unreachable("its address may not be dialled")
    return addresses


def _allowed(address: IPv4Address | IPv6Address, scheme: str) -> bool:
    if address.is_loopback or scheme == "http":
        return address.is_loopback
    barred = address.is_link_local or address.is_multicast or address.is_unspecified
    return not barred and not address.is_reserved
