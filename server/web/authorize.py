"""The authorization endpoint and its pages: log in, pick, decide (RFC 6749 4.1, SMART App Launch 2.2).

Whatever arrives at /oauth/authorize is kept and answered by a redirect to a page of our own, so
that a POST from another site becomes a GET that carries our cookie, and no page has an app's words
in its address.
"""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Response, request

from server import clock
from server.errors import Invalid
from server.flows import accounts, asking, clients, deciding, picking, remembering
from server.flows.access import Grant
from server.flows.asking import Pending, Turned
from server.flows.clients import VIEWER
from server.flows.sessions import Session
from server.flows.sites import HOME, House
from server.web import browser, frames, guard, pages
from server.web.browser import Visit, session_of
from server.web.login import CONTINUE, login_page
from server.web.routes import Call, Public, Route

AUTHORIZE = "/oauth/authorize"
_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 64 << 10


def authorize(call: Call) -> Response:
    """Take an app's request, by GET or POST, and go on to the pages."""
    words = _words()
    client = clients.find(call.house, words.get("client_id", ""))

    def keep() -> Response:
        name = asking.begin(call.house, words, now=clock.now())
        return pages.see(f"{CONTINUE}?{urlencode({'request': name})}")

    owner = client.organisation if client else HOME
    return _telling(call.house, client.id if client else "", owner, keep)


def _words() -> dict[str, str]:
    """The parameters, each at most once (RFC 6749 3.1); empty ones are not there."""
    request.max_content_length = _MOST_BYTES
    text = request.query_string.decode("utf-8", "replace")
    if request.method == "POST":
        if request.mimetype != _FORM:
            raise Invalid(f"send a form: Content-Type {_FORM}")
        text = "&".join(filter(None, (text, request.get_data(as_text=True))))
    try:
        pairs = parse_qsl(text, max_num_fields=100)
    except ValueError as bad:
        raise Invalid("the parameters cannot be read") from bad
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Invalid(f"{name[:40]} is given more than once")
        found[name] = value
    return found


def _telling(house: House, client: str, owner: int, act: Callable[[], Response]) -> Response:
    """Run a step; what the app must be told goes to it, and every refusal to the audit."""
    try:
        return act()
    except Turned as refusal:
        asking.refused(house, refusal, client, owner, guard.address())
        words = {"error": refusal.code, "error_description": str(refusal)}
        return _back(refusal.redirect_uri, words, refusal.state, house)
    except Invalid as error:
        told = Turned("invalid_request", str(error), "", "")
        asking.refused(house, told, client, owner, guard.address())
        raise


def _back(redirect_uri: str, words: dict[str, str], state: str, house: House) -> Response:
    """Send the browser to the app (RFC 6749 4.1.2, RFC 9207)."""
    more = words | ({"state": state} if state else {}) | {"iss": house.config.base}
    parts = urlsplit(redirect_uri)
    query = "&".join(filter(None, (parts.query, urlencode(more))))
    return pages.see(urlunsplit(parts._replace(query=query)))


def go_on(call: Call) -> Response:
    """The page that is next: login, a picker, or the question itself."""
    name, visit = request.args.get("request", ""), browser.visit(call.house)
    if not name:
        return pages.see("/oauth/apps")
    return _with(call.house, name, visit, lambda pending: _page(call.house, name, visit, pending))


def _with(house: House, name: str, visit: Visit, act: Callable[[Pending], Response]) -> Response:
    """Run a step of the request that waits under a name."""
    pending = None

    def found() -> Response:
        nonlocal pending
        pending = asking.find(house, name, now=clock.now())
        return act(pending)

    try:
        return found()
    except Turned as refusal:
        client = pending.client.id if pending else ""
        owner = pending.client.organisation if pending else HOME
        asking.refused(house, refusal, client, owner, guard.address())
        words = {"error": refusal.code, "error_description": str(refusal)}
        return _back(refusal.redirect_uri, words, refusal.state, house)


def _page(house: House, name: str, visit: Visit, pending: Pending) -> Response:
    """The page that is next for this browser."""
    session, now = visit.session, clock.now()
    if asking.must_login(pending, session, now=now) or session is None:
        return login_page(house, visit, name, pending)
    pending = asking.admit(house, pending, session, now=now)
    offered, patient = pending.offer(session.account), pending.patient
    grant = accounts.grant(session.account, session.id, address=guard.address(), now=clock.now())
    values: dict[str, object] = {"name": name, "app": pending.client.name}
    template = "consent.html"
    if offered.needs_patient and not patient:
        template = "patient.html"
        values |= _patients(house, session, grant)
    elif "launch/encounter" in offered.words and patient and pending.encounter is None:
        visits = picking.encounters(house, grant, patient)
        template = "encounter.html" if visits else template
        values |= {"choices": visits}
    if template == "consent.html":
        known = remembering.given(house, pending, session.account, now=now)
        if pending.client.kind == VIEWER:  # it hands nothing to anybody but who is signed in
            known = offered.text
        if known:
            return _allow(house, pending, session, known.split(), remember=False)
        values |= _question(house, session, grant, pending)
    asking.may_show(pending)
    return pages.page(house, template, visit, values, pending=pending)


def _patients(house: House, session: Session, grant: Grant) -> dict[str, object]:
    """What the page needs that asks for a patient."""
    find, account = request.args.get("find", "")[:100], session.account
    found = (
        picking.patients(house, grant, find)
        if account.staff
        else picking.named_ones(house, grant, account.patients)
    )
    wrong = "wrong" in request.args
    return {"choices": found, "searchable": account.staff, "find": find, "wrong": wrong}


def _question(house: House, session: Session, grant: Grant, pending: Pending) -> dict[str, object]:
    """What the page needs that asks for consent."""
    offered, patient = pending.offer(session.account), pending.patient
    where = urlsplit(pending.ask.redirect_uri)
    offline = "offline_access" in offered.words
    return {
        "user": session.account.name,
        "patient": picking.name_of(house, grant, patient) if patient else "",
        "unknown": pending.client.self_registered,
        "where": where.netloc or f"{where.scheme}:",
        "groups": pages.groups(offered),
        "offline": offline,
        "online": "online_access" in offered.words and not offline,
        "may_remember": remembering.may(pending),
    }


def pick(call: Call) -> Response:
    """Take the patient or the visit that the user picked."""
    visit, fields = browser.form(call.house)
    name, house = browser.one(fields, "request"), call.house
    session = session_of(visit)
    again = f"{CONTINUE}?{urlencode({'request': name})}"

    def chosen(pending: Pending) -> Response:
        pending = asking.admit(house, pending, session, now=clock.now())
        patient = browser.one(fields, "patient") or pending.patient
        if not patient:
            return pages.see(f"{again}&wrong=1")
        picking.check(house, session.account, patient)
        encounter = fields["encounter"][0] if "encounter" in fields else None
        grant = accounts.grant(
            session.account, session.id, address=guard.address(), now=clock.now()
        )
        if encounter and encounter not in _ids(house, grant, patient):
            raise Invalid("there is no such visit of this patient")
        asking.pick(house, pending, session, patient, encounter)
        return pages.see(again)

    return _with(house, name, visit, chosen)


def _ids(house: House, grant: Grant, patient: str) -> set[str]:
    return {one.id for one in picking.encounters(house, grant, patient)}


def decide(call: Call) -> Response:
    """Take the user's decision to the app: a code, or access_denied."""
    visit, fields = browser.form(call.house)
    name, house, now = browser.one(fields, "request"), call.house, clock.now()
    session, decision = session_of(visit), browser.one(fields, "decision")

    def decided(pending: Pending) -> Response:
        if asking.must_login(pending, session, now=now):
            return pages.see(f"{CONTINUE}?{urlencode({'request': name})}")
        pending = asking.admit(house, pending, session, now=now)
        asking.may_show(pending)
        frames.ancestors(house, pending)
        frames.pressed()
        ask, address = pending.ask, guard.address()
        if decision == "deny":
            deciding.deny(house, pending, session, address=address, now=now)
            words = {"error": "access_denied", "error_description": "the user did not allow it"}
            return _back(ask.redirect_uri, words, ask.state, house)
        if decision != "allow":
            raise Invalid("decision is allow or deny")
        chosen, remember = fields.get("scope", []), "remember" in fields
        return _allow(house, pending, session, chosen, remember=remember)

    return _with(house, name, visit, decided)


def _allow(
    house: House, pending: Pending, session: Session, chosen: Sequence[str], *, remember: bool
) -> Response:
    """Take a code to the app, for what the user chose now, or once and for all."""
    code = deciding.allow(
        house,
        pending,
        session,
        chosen,
        remember=remember,
        address=guard.address(),
        now=clock.now(),
    )
    return _back(pending.ask.redirect_uri, {"code": code}, pending.ask.state, house)


def style(call: Call) -> Response:
    """The style sheet of the pages."""
    return pages.style()


_WHY = "people come here from an app, and log in on the page itself"
ROUTES = (
    Route(
        AUTHORIZE,
        ("GET", "POST"),
        "login",
        Public(_WHY),
        authorize,
        "Authorization request",
        frames=True,
    ),
    Route(CONTINUE, ("GET",), "login", Public(_WHY), go_on, "Login, pickers, consent", frames=True),
    Route(
        "/oauth/pick",
        ("POST",),
        "login",
        Public("the form's own session says who picks"),
        pick,
        "Pick a patient or a visit",
        frames=True,
    ),
    Route(
        "/oauth/decide",
        ("POST",),
        "login",
        Public("the form's own session says who decides"),
        decide,
        "Allow an app, or not",
        frames=True,
    ),
    Route(
        pages.STYLE, ("GET",), "login", Public("it holds nothing of anybody"), style, "Style sheet"
    ),
)
