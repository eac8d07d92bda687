"""Who called, where a proxy stands in front: only a trusted one is believed."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from server.config import Network

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class Forwarded:
    """A WSGI application around another (PEP 3333): REMOTE_ADDR becomes the caller's own address."""

    def __init__(self, application: Application, trusted: Sequence[Network]) -> None:
        self._application = application
        self._trusted = trusted

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        environ["REMOTE_ADDR"] = self._caller(environ.get("REMOTE_ADDR", ""), hops)
        return self._application(environ, start_response)

    def _caller(self, peer: str, hops: list[str]) -> str:
        """The nearest address that is no trusted proxy. What stands left of it anybody can write."""
        for hop in reversed(hops):
            if not self._trusts(peer) or not _is_address(hop.strip()):
                break
            peer = hop.strip()
        return peer

    def _trusts(self, address: str) -> bool:
        return _is_address(address) and any(
            ip_address(address) in network for network in self._trusted
        )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
