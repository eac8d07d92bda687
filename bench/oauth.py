"""Access tokens: for a backend client's assertion, a code, a refresh token; and what a token allows."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey

from bench import apps, fhir, web
from bench.apps import Form
from bench.harness import Contender, Line, Row, Run, Scale, compare
from bench.stand import FIRST, Ours, Stand

_CONNECTIONS = 4
_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

ISSUE = Row("token", "Token for a backend client (ES384)", "tokens/s", limit="Flask hello")
CODE = Row("token-code", "Token for a code (PKCE, id_token)", "tokens/s", limit="Flask hello")
REFRESH = Row("token-refresh", "Token for a refresh token", "tokens/s", limit="Flask hello")
ASKED = Row("introspection", "Introspection of a token", "answers/s", limit="Flask hello")
ROWS = (ISSUE, CODE, REFRESH, ASKED)
_SHARE = 4  # a request that is prepared with a flow of its own is measured less often


def lines(stand: Stand, scale: Scale, rows: frozenset[Row]) -> Iterator[Line]:
    """Measure the rows asked for."""
    ours, limit = stand.ours(stand.filled(scale.few)), stand.limit_app()
    hello, count = [web.request("/hello")] * scale.calls, scale.calls // _SHARE
    client, patient = _Client(stand, ours), fhir.IDS.of(ours, FIRST)
    asking: dict[Row, Callable[[], list[bytes]]] = {
        ISSUE: lambda: [client.request() for _ in range(count)],
        CODE: lambda: _posts(apps.codes(ours.folder, patient, count)),
        REFRESH: lambda: _posts(apps.refreshes(ours.folder, patient, count)),
        ASKED: lambda: [_question(ours)] * scale.calls,
    }

    def greet() -> Run:
        return Run(_rate(limit.ports["http"], hello), scale.calls)

    for row in ROWS:
        if row in rows:
            measure = partial(_ask, ours, asking[row])
            contenders = [Contender(measure, ours.role("web")), None, Contender(greet, limit.tree)]
            yield compare(row, scale.repeats, contenders)


def _ask(ours: Ours, prepare: Callable[[], list[bytes]]) -> Run:
    requests = prepare()
    return Run(_rate(ours.ports["http"], requests), len(requests))


def _posts(forms: list[Form]) -> list[bytes]:
    return [_post("/oauth/token", form) for form in forms]


def _post(path: str, form: Form, headers: Mapping[str, str] | None = None) -> bytes:
    return web.request(path, {**_FORM, **(headers or {})}, urlencode(form).encode(), "POST")


def _question(ours: Ours) -> bytes:
    """A backend client asks about its own token (RFC 7662)."""
    bearer = ours.bearer
    token = bearer["Authorization"].removeprefix("Bearer ")
    return _post("/oauth/introspect", {"token": token}, bearer)


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
        return _post("/oauth/token", form)
