"""Access tokens: a backend client's signed assertion checked, a token drawn, kept and audited."""

import json
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey

from bench import web
from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.stand import Ours, Stand

_CONNECTIONS = 4
_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

ISSUE = Row("token", "Token for a backend client (ES384)", "tokens/s", limit="Flask hello")
ROWS = (ISSUE,)


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the row."""
    ours, limit = stand.ours(), stand.limit_app()
    client = _Client(stand, ours)
    hello = [web.request("/hello")] * scale.calls

    def issue() -> Run:
        count = scale.calls // 4
        return Run(_rate(ours.ports["http"], [client.request() for _ in range(count)]), count)

    def greet() -> Run:
        return Run(_rate(limit.ports["http"], hello), scale.calls)

    contenders = [Contender(issue, ours.role("web")), None, Contender(greet, limit.tree)]
    yield compare(ISSUE, scale.repeats, contenders)


def _rate(port: int, requests: list[bytes]) -> float:
    return web.load(port, requests, _CONNECTIONS).rate


class _Client:
    """A registered backend client with its key."""

    def __init__(self, stand: Stand, ours: Ours) -> None:
        self._key = ECKey.generate_key("P-384", {"kid": "bench"})
        self._audience = ours.base + "/oauth/token"
        file = stand.folder / "jwks.json"
        file.write_text(json.dumps({"keys": [self._key.as_dict(private=False)]}))
        words = ("--type", "backend", "--scope", "system/*.rs", "--reach", "all")
        self._id = ours.run("client", "add", "bench", *words, "--jwks", str(file))["client_id"]

    def request(self) -> bytes:
        """A token request with an assertion of its own."""
        claims = {
            "iss": self._id,
            "sub": self._id,
            "aud": self._audience,
            "exp": int(time.time()) + 240,
            "jti": uuid.uuid4().hex,
        }
        header = {"alg": "ES384", "kid": "bench", "typ": "JWT"}
        form = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": _BEARER,
            "client_assertion": jwt.encode(header, claims, self._key, algorithms=["ES384"]),
        }
        return web.request("/oauth/token", _FORM, urlencode(form).encode(), "POST")
