"""Guard that keeps this process on loopback: an audit hook, so no library can go around it."""

import ipaddress
import socket
import sys
from typing import Any

_violations: list[str] = []
_installed: list[bool] = []


class LeftLoopback(OSError):
    """The test process tried to reach an address that is not this machine's loopback."""


def install_guard() -> None:
    """Install the hook once; the interpreter offers no way to take it off."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_refuse_other_addresses)


def take_violations() -> list[str]:
    """Return what was refused since the last call."""
    taken = list(_violations)
    _violations.clear()
    return taken


def _refuse_other_addresses(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        endpoint, address = arguments
        if endpoint.family in (socket.AF_INET, socket.AF_INET6) and address:
            _check(event, address[0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _check(event, arguments[0])


def _check(event: str, host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if not _is_loopback(name):
        _violations.append(f"{event} {name}")
        raise LeftLoopback(f"tests stay on loopback, not {name}")


def _is_loopback(name: str | None) -> bool:
    if name in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return str(name).endswith(".localhost")
    # The unspecified address is what a listener binds; a connection to it stays on this machine.
    return address.is_loopback or address.is_unspecified
