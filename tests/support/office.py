"""A practice with people at its desk: olga, an operator; pia, a privacy officer; wim, of another
organisation; and drew and alice, who have no seat there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from server import clock
from server.flows import parties
from server.flows.sites import HOME, House
from server.store.tables import audit, review
from tests.support.clerk import Clerk, links
from tests.support.holder import words
from tests.support.practice import Practice, practice
from tests.support.scenes import ALICES, BOBS
from tests.support.smart_app import Person

SEATS = (("olga", "operator", "home"), ("pia", "privacy", "home"), ("wim", "operator", "west"))


@dataclass(slots=True)
class Office:
    """The practice, and whoever has signed in there."""

    practice: Practice
    clerks: dict[str, Clerk] = field(default_factory=dict)

    @property
    def house(self) -> House:
        return self.practice.keys.house

    @property
    def base(self) -> str:
        return self.practice.server.base

    @property
    def patients(self) -> dict[str, str]:
        return self.practice.patients

    def clerk(self, name: str) -> Clerk:
        """Somebody who has signed in, whether there is a seat for them or not."""
        if name not in self.clerks:
            person = Person(self.practice.server, name)
            person.log_in(person.open(f"{self.base}/oauth/apps"))
            self.clerks[name] = Clerk(person)
        return self.clerks[name]

    def chart(self, name: str = "Alice") -> str:
        """Where somebody's chart is."""
        return f"/desk/patients/{self.patients[name]}"

    def events(self, **equal: Any) -> list[Any]:
        """Events of the desk, oldest first."""
        query = select(audit).where(audit.c.door == "desk")
        for name, value in equal.items():
            query = query.where(audit.c[name] == value)
        with self.house.database.read() as connection:
            return list(connection.execute(query.order_by(audit.c.at, audit.c.seq)))

    def person(self, name: str) -> str:
        """What stands for a patient in the audit."""
        with self.house.database.read() as connection:
            return self.house.auditor.person(connection, HOME, self.patients[name])

    def items(self, kind: str) -> list[str]:
        """The review items of a kind."""
        with self.house.database.read() as connection:
            query = select(review.c.id).where(review.c.kind == kind)
            return list(connection.execute(query).scalars())


@contextmanager
def office(data: Path) -> Iterator[Office]:
    """The practice with its desk, for the length of a block."""
    with practice(data) as made:
        house = made.keys.house
        parties.add_organisation(house, "west", issuer="", issuers={}, zone="", now=clock.now())
        for name, role, organisation in SEATS:
            made.keys.user(name, role, organisation=organisation)
        yield Office(made)


def link_of(office: Office, olga: Clerk, name: str, **given: Any) -> str:
    """Make a link by the three pages; gives the address of its page at the desk."""
    return links(handed_over(office, olga, name, **given), r"/desk/links/[\w-]{10,}")[0]


def handed_over(office: Office, olga: Clerk, name: str, **given: Any) -> requests.Response:
    at = office.chart(name)
    study = {"Alice": ALICES, "Bob": BOBS}[name]
    first = olga.form(f"{at}/link", f"{at}/link/factor")
    assert first.values("study") == [study]
    second = f"{at}/link/factor?study={study}&span=7d"
    answer = olga.submit(second, f"{at}/link", **{"factor": "birth-date", "sheet": "es"} | given)
    assert answer.status_code == 200, words(answer)
    return answer
