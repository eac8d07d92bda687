"""FHIR search and CapabilityStatement over HTTP (R4 3.1.1, 3.1.0.6)."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from flask import Response, request

from fhir import bundle, capability
from fhir import query as q
from fhir.bundle import INCLUDE, MATCH, OUTCOME, Found
from fhir.capability import Served, ServedType
from fhir.outcome import Issue, outcome
from fhir.search import parse
from fhir.wire import write
from server import VERSION, clock
from server.clock import moment
from server.errors import BadMedia, Invalid
from server.flows import searching
from server.flows.authorship import WRITTEN
from server.flows.resources import READ_ONLY, SEARCHED, TABLE, Version, searched
from server.flows.searching import Page
from server.web import apps, authorize, fhir_shape, oauth, registration
from server.web.fhir_shape import negotiate
from server.web.replies import closing_on_error, covered, fhir_json
from server.web.routes import Call

_COUNT = 50
_OAUTH = (
    ("authorize", authorize.AUTHORIZE),
    ("token", oauth.TOKEN),
    ("register", registration.REGISTER),
    ("manage", apps.APPS),
    ("introspect", oauth.INTROSPECT),
    ("revoke", oauth.REVOKE),
)
_PUBLISHED = datetime(2026, 11, 24, tzinfo=UTC)
READING = ("read", "vread", "history-instance")
SEARCHING = (*READING, "search-type")
WRITING = ("create", "update", "patch", "delete")
# The types whose part in a Patient's compartment can be searched.
OF_PATIENT = tuple(one for one in SEARCHED if "patient" in TABLE[one])
_FORM = "application/x-www-form-urlencoded"
_LONGEST_FORM = 1 << 20


def search(call: Call) -> Response:
    """One page of what matches (GET, or POST to _search)."""
    return _search(call, call.path["type"], pairs())


def of_patient(call: Call) -> Response:
    """What a Patient's compartment holds of the route's type: a search by `patient` (R4 3.1.1.2)."""
    kind = call.route.rule.rpartition("/")[2]
    return _search(call, kind, [("patient", f"Patient/{call.path['id']}"), *pairs()])


def _search(call: Call, resource_type: str, words: list[tuple[str, str]]) -> Response:
    negotiate(dict(words).get("_format"))
    base, now = call.house.config.fhir_base, moment(clock.now())
    kind, table = searched(resource_type), TABLE
    query = parse(kind, words, strict=strict(), base=base, now=now, table=table)
    counted = query.summary == "count"
    count = 0 if counted else _COUNT if query.count is None else query.count
    page, reading = searching.search(call.house, call.who, query, count=count)
    with closing_on_error(reading):
        links = _links(query, page, base)
        body = bundle.searchset(_entries(query, page, base), links=links, total=page.total)
        response = fhir_json(fhir_shape.spaced(body, dict(words).get("_pretty")))
        return covered(reading, response, count=len(page.matches) + len(page.included))


def pairs() -> list[tuple[str, str]]:
    """The parameters of the address and, for a POST, of the form, in their order."""
    text = request.query_string.decode("utf-8", "replace")
    if request.method == "POST":
        if request.mimetype not in (_FORM, ""):
            raise BadMedia(f"POST _search takes {_FORM}")
        request.max_content_length = _LONGEST_FORM
        text = "&".join(filter(None, (text, request.get_data(as_text=True))))
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Invalid("too many parameters") from error


def strict() -> bool:
    """Whether unknown parameters are errors (R4 3.1.1.2: Prefer: handling=strict)."""
    for part in request.headers.get("Prefer", "").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name == "handling":
            if value not in ("strict", "lenient"):
                raise Invalid("Prefer: handling is strict or lenient", expression="Prefer")
            return value == "strict"
    return False


def _links(query: q.Query, page: Page, base: str) -> dict[str, str]:
    """`self` says what was understood; `next` leads to the page after this one."""
    used = [pair for pair in query.used if pair[0] != "_cursor"]
    address = f"{base}/{query.type}"
    here = [*used, ("_cursor", query.cursor)] if query.cursor else used
    links = {"self": _address(address, here)}
    if page.next:
        links["next"] = _address(address, [*used, ("_cursor", page.next)])
    return links


def _address(address: str, words: Iterable[tuple[str, str]]) -> str:
    text = urlencode(list(words), safe="/:|,$*")
    return f"{address}?{text}" if text else address


def _entries(query: q.Query, page: Page, base: str) -> Iterable[Found]:
    yield from (_found(query, version, base, MATCH) for version in page.matches)
    yield from (_found(query, version, base, INCLUDE) for version in page.included)
    if query.warnings:
        issues = [
            Issue(w.code, w.message, severity="warning", expression=(w.expression,))
            for w in query.warnings
        ]
        yield Found(write(outcome(*issues)), mode=OUTCOME)


def _found(query: q.Query, version: Version, base: str, mode: str) -> Found:
    text = fhir_shape.of_search(version.text, query.summary, query.elements)
    return Found(text, f"{base}/{version.type}/{version.id}", mode)


def _type(name: str) -> ServedType:
    """A type as it is served: searched, and written by clients or not."""
    if name not in WRITTEN:
        return ServedType(name, SEARCHING)
    return ServedType(
        name,
        (*SEARCHING, *WRITING),
        conditional_create=True,
        conditional_update=True,
        conditional_delete="single",
    )


def metadata(call: Call) -> Response:
    """The CapabilityStatement, made from the tables that serve (R4 3.1.0.6)."""
    negotiate()
    base = call.house.config.base
    served = Served(
        base=f"{base}/fhir",
        version=VERSION,
        date=_PUBLISHED,
        types=(
            *(_type(one) for one in SEARCHED),
            *(ServedType(one, READING) for one in READ_ONLY),
        ),
        oauth=tuple((name, base + path) for name, path in _OAUTH),
        patch_formats=("application/json-patch+json",),
    )
    text = write(capability.statement(served))
    etag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    response = fhir_json(fhir_shape.of_read(text))
    if etag in request.headers.get("If-None-Match", ""):
        response = Response(status=304)
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "max-age=60"
    return response
