"""SMART Health Links over HTTP (HL7 SMART Health Cards and Links STU 1): manifest, files, encryption."""

import json
from typing import Any

from flask import Response, request
from joserfc import jwe
from joserfc.jwk import OctKey

from server import clock
from server.errors import Fault, Invalid
from server.flows import health_link, holding, manifest
from server.flows.health_link import PATH
from server.flows.manifest import API, RECORDS, TYPES, Asked, WrongPasscode
from server.flows.opening import Opened
from server.web import egress, guard
from server.web.replies import closing_on_error, covered, plain_json
from server.web.routes import Call, Public, Route

_MOST_BYTES = 16 << 10
_LONGEST = 1024
# What is longer is not put into the manifest, whatever the app would take.
_MOST_EMBEDDED = 1 << 20
_AGAIN = "60"


def ask(call: Call) -> Response:
    """The manifest, for an app that has the passcode."""
    return _telling(lambda: _manifest(call))


def file(call: Call) -> Response:
    """One file of a manifest, by its ticket."""
    return _telling(lambda: _file(call))


def _telling(act: Any) -> Response:
    """Run a step; an app is told what went wrong as JSON."""
    try:
        response: Response = act()
    except WrongPasscode as wrong:
        response = plain_json({"remainingAttempts": wrong.remaining}, 401)
    except Fault as fault:
        response = plain_json({"error": str(fault)}, fault.answer.http)
        if fault.retry:
            response.headers["Retry-After"] = str(fault.retry)
    response.headers["Cache-Control"] = "no-store"
    return response


def _manifest(call: Call) -> Response:
    asked, most = _asked()
    secret, now = call.path["secret"], clock.now()
    opened = manifest.open_manifest(call.house, secret, asked, address=guard.address(), now=now)
    seen = holding.reading(call.house, opened, "report")
    with closing_on_error(seen):
        files = [_entry(call, secret, opened, name, most) for name in (RECORDS, API)]
        response = plain_json({"status": "can-change", "files": files})
        response.headers["Retry-After"] = _AGAIN
        egress.shows(opened.grant.organisation, call.route.door)
        return covered(seen, response, count=1)


def _asked() -> tuple[Asked, int]:
    """The request: who asks, the passcode, and how long what is embedded may be."""
    request.max_content_length = _MOST_BYTES
    if request.mimetype != "application/json":
        raise Invalid("send a manifest request: Content-Type application/json")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError) as bad:
        raise Invalid("the manifest request is not JSON") from bad
    body = body if isinstance(body, dict) else {}
    recipient, passcode = body.get("recipient"), body.get("passcode", "")
    most = body.get("embeddedLengthMax", _MOST_EMBEDDED)
    if not isinstance(recipient, str) or not recipient.strip() or not isinstance(passcode, str):
        raise Invalid("a manifest request has a recipient, and a passcode as text")
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        raise Invalid("embeddedLengthMax is a number of characters")
    return Asked(recipient[:_LONGEST], passcode[:_LONGEST]), min(most, _MOST_EMBEDDED)


def _entry(call: Call, secret: str, opened: Opened, name: str, most: int) -> dict[str, str]:
    """A file in the manifest: itself where it is short enough, else where it is."""
    sealed = _sealed(call, secret, opened, name)
    entry = {"contentType": TYPES[name]}
    if len(sealed) <= most:
        return entry | {"embedded": sealed}
    drawn = manifest.ticket(call.house, opened, name, now=clock.now())
    return entry | {"location": f"{call.house.config.base}{PATH}/{secret}/{drawn}"}


def _file(call: Call) -> Response:
    secret, address, now = call.path["secret"], guard.address(), clock.now()
    opened, name = manifest.redeem(
        call.house, secret, call.path["ticket"], address=address, now=now
    )
    seen = holding.reading(call.house, opened, "report")
    with closing_on_error(seen):
        sealed = _sealed(call, secret, opened, name)
        egress.shows(opened.grant.organisation, call.route.door)
        return covered(seen, Response(sealed, content_type="application/jose"), count=1)


def _sealed(call: Call, secret: str, opened: Opened, name: str) -> str:
    """A file under the key of its link (RFC 7516 compact serialization)."""
    header = {"alg": "dir", "enc": "A256GCM", "cty": TYPES[name]}
    key = OctKey.import_key(health_link.key_of(call.house, secret))
    body = manifest.content(call.house, opened, name, now=clock.now())
    return jwe.encrypt_compact(header, body, key)


_WHY = "an app has no account: the secret of the address and the passcode say who may"
_AT = f"{PATH}/<secret>"
ROUTES = (
    Route(_AT, ("POST",), "link", Public(_WHY), ask, "Manifest of a SMART Health Link"),
    Route(f"{_AT}/<ticket>", ("GET",), "link", Public(_WHY), file, "File of a manifest, once"),
)
