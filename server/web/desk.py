"""Whoever sits at the desk: the person's seat, and how each of its pages is covered and sent.

The guard has looked at the session, the role and the form before a handler runs; a flow asks the
gate again. Nothing here needs a script.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Response, request

from server.clock import moment
from server.errors import Invalid
from server.flows import desk
from server.flows.access import Grant
from server.flows.actors import Actor, at_desk
from server.flows.audit import Reading
from server.flows.desk import OPERATOR, STAFF
from server.flows.sites import House
from server.web import browser, desk_pages, desk_texts, texts
from server.web.desk_pages import HOME
from server.web.replies import closing_on_error, covered
from server.web.routes import Call, Signed

BY_STAFF = Signed(STAFF)
BY_OPERATOR = Signed((OPERATOR,))
_LONGEST = 2000
_HIGHEST = 1 << 63
# What stands in the navigation: its word, its address, and who has it.
_PLACES = (
    ("patients", HOME, (OPERATOR,)),
    ("links", f"{HOME}links", (OPERATOR,)),
    ("review", f"{HOME}review", STAFF),
    ("messages", f"{HOME}messages", (OPERATOR,)),
    ("feeds", f"{HOME}feeds", (OPERATOR,)),
    ("audit", f"{HOME}audit", STAFF),
    ("recalls", f"{HOME}recalls", STAFF),
    ("jobs", f"{HOME}jobs", (OPERATOR,)),
    ("health", f"{HOME}health", (OPERATOR,)),
)


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody at the desk: the stores, the desk's grant, the language and the zone of times."""

    house: House
    grant: Grant
    language: str
    zone: ZoneInfo

    @property
    def by(self) -> Actor:
        """The person, as flows and the audit are told who acts."""
        return at_desk(self.grant)

    @property
    def organisation(self) -> str:
        """The name of the organisation whose desk this is."""
        return desk.site(self.house, self.grant).name

    def t(self, name: str, **values: object) -> str:
        """A sentence in the reader's language."""
        return desk_texts.text(self.language, name, **values)

    def said(self, family: str, name: str) -> str:
        """A word of a family in the reader's language."""
        return desk_texts.said(self.language, family, name)

    def when(self, micros: int) -> str:
        """A moment in the organisation's zone; empty for none."""
        return moment(micros).astimezone(self.zone).strftime("%Y-%m-%d %H:%M %Z") if micros else ""

    def minute(self, micros: int, *, after: bool = False) -> str:
        """The minute of a moment as an address names it, or the one after."""
        shift = timedelta(minutes=1 if after else 0)
        return (moment(micros).astimezone(self.zone) + shift).strftime("%Y-%m-%dT%H:%M")

    def micros(self, name: str) -> int:
        """A moment that the address names as the organisation's clock shows it; 0 for none."""
        text = request.args.get(name, "")
        if not text:
            return 0
        try:
            local = datetime.fromisoformat(text)
        except ValueError as bad:
            raise Invalid(f"{name}: give a time as 2026-01-31T12:00") from bad
        if not 1970 < local.year < 9999:
            raise Invalid(f"{name}: there is nothing of that year")
        return int(local.replace(tzinfo=local.tzinfo or self.zone).timestamp()) * 1_000_000


def seat(call: Call) -> Seat:
    """The seat of whoever asks. Raises Denied for a role that has none on this page."""
    roles = call.route.access.roles if isinstance(call.route.access, Signed) else STAFF
    grant = desk.seat(call.who, *roles)
    return Seat(call.house, grant, texts.language(), desk.zone(call.house, grant))


def shown(
    seat: Seat,
    template: str,
    values: Mapping[str, object],
    *,
    what: str,
    patients: Sequence[str] = (),
) -> Response:
    """A page of the desk, covered by open events: one for each patient whom it shows."""
    return answered(seat, template, values, desk.readings(seat.house, seat.grant, what, patients))


def answered(
    seat: Seat, template: str, values: Mapping[str, object], readings: Sequence[Reading]
) -> Response:
    """A page whose events are open already: what is sent is counted once, on the first."""
    first, *others = readings
    with closing_on_error(first):
        response = covered(first, desk_pages.page(template, _frame(seat) | dict(values)), count=1)
    for one in others:
        response.call_on_close(one.end)
    return response


def _frame(seat: Seat) -> dict[str, object]:
    visit, role = browser.visit(seat.house), seat.grant.role
    return {
        "csrf": visit.token,
        "who": visit.session.account.name if visit.session else "",
        "nav": [(word, there) for word, there, roles in _PLACES if role in roles],
        "searches": role == OPERATOR,
    }


def word(name: str) -> str:
    """A word of the address, "" if there is none. Raises Invalid for one that is too long."""
    return _checked(request.args.get(name, ""), name)


def field(name: str) -> str:
    """A field of the form, which the guard has found to be ours."""
    return _checked(request.form.get(name, ""), name)


def _checked(text: str, name: str) -> str:
    if len(text) > _LONGEST:
        raise Invalid(f"{name} is longer than {_LONGEST} characters")
    return text.strip()


def whole(text: str, name: str) -> int:
    """A whole number of ours, as it stands in an address; 0 for none. Raises Invalid."""
    plain = text.isascii() and text.isdigit() and len(text) < 20
    if text and not (plain and int(text) < _HIGHEST):
        raise Invalid(f"{name} is a number")
    return int(text or 0)


def day(text: str) -> str:
    """A DICOM date or a FHIR time as a day, with its time of day where it has one."""
    if len(text) == 8 and text.isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text[:16].replace("T", " ")
