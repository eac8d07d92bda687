"""A server with everybody who may come to its doors: right ones, wrong ones, and what each may not see.

Alice and Bob are patients of `home`, Wilma of another organisation, `west`. Carol claims Alice's
study, so that her part of it is held. Dora's record was merged away after she got her token.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from server import clock
from server.flows import launches, links, opening, parties, views
from server.flows.grants import digest
from server.flows.launches import Wanted
from server.flows.opening import Handle
from server.store.share_tables import share
from server.store.tables import audit, study, token
from tests.support import charts, holder, houses, logs
from tests.support.keyring import Keyring, keyring
from tests.support.scenes import ALICES, ROOT, SYSTEM, alices, bobs, instance
from tests.support.server import Server, running
from tests.support.smart_app import App, Person
from tests.support.waiting import until
from tests.support.web import Web

WEST = "https://west.example/mrn"
WILMAS, DORAS = f"{ROOT}.3", f"{ROOT}.4"
PATIENTS = {
    "Alice": "ALICE",
    "Bob": "BOB",
    "Carol": "CAROL",
    "Dora": "DORA",
    "Wilma": "WILMA",
}

# Whoever has no usable token, and those whose token is not for this.
NOBODY = ("no token", "a made-up token", "an expired token", "a revoked token", "a merged patient")
UNFIT = ("a token for another type", "a token for another letter")
OTHERS = ("another patient", "a client for another patient", "another patient who logged in")
STRANGERS = ("another organisation", "a clinician of another organisation")
RIGHT = (
    *("the patient", "a client for the patient", "a client for a group", "the organisation"),
    *("the patient who logged in", "a proxy", "a clinician", "a clinician with one patient open"),
)
# Pages of ours in the browser of somebody signed in: they read for clinicians, and for nobody else.
BROWSERS = ("a clinician's browser", "a browser in another organisation")
UNREAD = ("an operator's browser", "a privacy officer's browser", "a patient's browser")
# Browsers that opened a Magic Link; for those whose link has ended it is as if there were none.
ENDED = ("the holder of a revoked link", "the holder of an expired link")
HOLDERS = ("the holder of a link", "the holder of another's link")
# The viewer as an EHR launched it for Alice.
VIEWS = ("a launched view",)
ACTORS = (
    *(*NOBODY, *UNFIT, *OTHERS, *STRANGERS, *RIGHT),
    *(*ENDED, *HOLDERS, *BROWSERS, *UNREAD, *VIEWS),
)


@dataclass(slots=True)
class Hospital:
    """The server, the ids of its patients by name, of its studies by UID, and a token by actor.

    `alices` are the ids of what is in Alice's record, by type; the Endpoint is everybody's.
    """

    server: Server
    keys: Keyring
    patients: dict[str, str] = field(default_factory=dict)
    studies: dict[str, str] = field(default_factory=dict)
    alices: dict[str, str] = field(default_factory=dict)
    wilmas: tuple[bytes, ...] = (instance("CT_small.dcm", 1, "WILMA", WILMAS),)
    tokens: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)

    def caller(self, actor: str) -> Web:
        """Requests below the server's address, with an actor's token or cookie."""
        token, link, login, view = (
            one.get(actor, "") for one in (self.tokens, self.cookies, self.sessions, self.views)
        )
        return Web(self.server.base, token, link, login=login, view=view)

    def refusals(self) -> int:
        """How many refusals the audit holds."""
        return len(self.events("refuse"))

    def events(self, action: str) -> list[Any]:
        """The audit's events of one kind, oldest first."""
        query = select(audit).where(audit.c.action == action)
        return self.rows(query.order_by(audit.c.at, audit.c.seq))

    def rows(self, query: Any) -> list[Any]:
        """What a query finds in the server's database."""
        with self.keys.house.database.read() as connection:
            return list(connection.execute(query))


@contextmanager
def hospital(data: Path) -> Iterator[Hospital]:
    """The hospital, for the length of a block."""
    with running(data, ISSUER=SYSTEM) as server, keyring(server) as keys:
        made = Hospital(server, keys)
        _admit(made)
        _hand_out(made)
        yield made


def _admit(made: Hospital) -> None:
    """Store the studies and wait until all of them are resources."""
    staff = Web(made.server.base + "/dicomweb", made.keys.token("system/*.cruds"))
    carols = instance("CT_small.dcm", 9, "CAROL", ALICES)
    doras = instance("CT_small.dcm", 1, "DORA", DORAS)
    assert staff.store(*alices()).status_code == 200
    assert staff.store(*bobs(), carols, doras).status_code in (200, 202)
    parties.add_organisation(
        made.keys.house, "west", issuer=WEST, issuers={}, zone="", now=clock.now()
    )
    west = Web(staff.base, made.keys.token("system/*.c", organisation="west"))
    assert west.store(*made.wilmas).status_code == 200
    settled = until(lambda: _settled(made), "five settled studies")
    made.studies = {f"{row.uid}|{row.claim}": row.id for row in settled}
    owners = {row.patient_number: row.subject for row in settled}
    made.patients = {name: owners[number] for name, number in PATIENTS.items()}
    charts.put(made.keys.house, "bobs", made.patients["Bob"])
    made.alices = charts.put(made.keys.house, "alices", made.patients["Alice"])


def _settled(made: Hospital) -> list[Any]:
    rows = made.rows(select(study))
    return rows if len(rows) == 5 and all(row.revision for row in rows) else []


def _hand_out(made: Hospital) -> None:
    """A token for each actor, as each would get it."""
    keys, alice, bob = made.keys, made.patients["Alice"], made.patients["Bob"]
    keys.group("trial", alice, made.patients["Carol"])
    researcher = keys.backend("group:trial")
    revoked = researcher.token()
    researcher.ask("/oauth/revoke", token=revoked, grant_type=None, scope=None)
    made.tokens = {
        "no token": "",
        "a made-up token": "x" * 43,
        "an expired token": keys.token("system/*.cruds"),
        "a revoked token": revoked,
        "a merged patient": keys.token("patient/*.cruds", made.patients["Dora"]),
        "a token for another type": keys.token("patient/Immunization.cruds", alice),
        "a token for another letter": keys.token("patient/*.d", alice),
        "another patient": keys.token("patient/*.cruds", bob),
        "a client for another patient": keys.backend(f"patient:{bob}").token(),
        "another organisation": keys.token("system/*.cruds", organisation="west"),
        "the patient": keys.token("patient/*.rs", alice),
        "a client for the patient": keys.backend(f"patient:{alice}").token(),
        "a client for a group": researcher.token(),
        "the organisation": keys.token("system/*.cruds"),
        "the claimant": keys.token("patient/*.rs", made.patients["Carol"]),
    }
    _log_in(made)
    _sign_in(made)
    _give_links(made)
    _launch(made)
    _let_time_pass(made)
    found = made.caller("the organisation").get("/fhir/Endpoint").json()
    endpoint = found["entry"][0]["resource"]["id"]
    study, patient = made.studies[f"{ALICES}|0"], made.patients["Alice"]
    made.alices |= {"Patient": patient, "ImagingStudy": study, "Endpoint": endpoint}


def _log_in(made: Hospital) -> None:
    """A token for each who logs in and allows an app, by all its pages."""
    keys, alice, bob = made.keys, made.patients["Alice"], made.patients["Bob"]
    people = (
        ("the patient who logged in", "patient", (alice,), "patient/*.rs"),
        ("another patient who logged in", "patient", (bob,), "patient/*.rs user/*.rs"),
        ("a proxy", "proxy", (alice, bob), "patient/*.rs"),
        ("a clinician", "clinician", (), "user/*.rs"),
        ("a clinician with one patient open", "clinician", (), "patient/*.rs"),
    )
    app = App(made.server, keys.app()[0])
    for name, role, patients, scope in people:
        keys.user(name, role, *patients)
        person = Person(made.server, name)
        made.tokens[name] = app.tokens(person, scope=scope, patient=alice)["access_token"]
    west, name = App(made.server, keys.app(organisation="west")[0]), STRANGERS[1]
    keys.user(name, "clinician", organisation="west")
    token = west.tokens(Person(made.server, name), scope="user/*.rs")["access_token"]
    made.tokens[name] = token


def _sign_in(made: Hospital) -> None:
    """The cookie of each who is signed in in a browser."""
    alice = made.patients["Alice"]
    people = (
        (BROWSERS[0], "clinician", (), "home"),
        (BROWSERS[1], "clinician", (), "west"),
        (UNREAD[0], "operator", (), "home"),
        (UNREAD[1], "privacy", (), "home"),
        (UNREAD[2], "patient", (alice,), "home"),
    )
    for name, role, patients, organisation in people:
        made.keys.user(name, role, *patients, organisation=organisation)
        person = Person(made.server, name)
        person.log_in(person.open(f"{made.server.base}/oauth/apps"))
        made.sessions[name] = logs.keep_out(person.http.cookies["triptych"])


def _give_links(made: Hospital) -> None:
    """A browser that opened a link to Alice's pictures, others whose link ended, one of Bob's."""
    house, now = made.keys.house, clock.now()
    links_of = {actor: holder.link(made.keys, made.patients["Alice"]) for actor in ENDED}
    links_of |= {HOLDERS[0]: holder.link(made.keys, made.patients["Alice"])}
    links_of |= {HOLDERS[1]: holder.link(made.keys, made.patients["Bob"], "pin")}
    for actor, one in links_of.items():
        said = one.answer or holder.BORN
        secret = opening.open_link(house, Handle(one.token), said, address="127.0.0.1", now=now)
        made.cookies[actor] = logs.keep_out(secret)
    links.revoke(house, links_of[ENDED[0]].id, now=now)
    with house.database.write() as connection:
        expired = update(share).where(share.c.id == links_of[ENDED[1]].id)
        connection.execute(expired.values(expires=now))


def _launch(made: Hospital) -> None:
    """A view of Alice's, for a clinician whom the command names."""
    house, now = made.keys.house, clock.now()
    wanted = Wanted(made.keys.viewer(), made.patients["Alice"], user=BROWSERS[0])
    launch, iss = launches.make(house, wanted, now=now), house.config.fhir_base
    view = views.start(house, iss, logs.keep_out(launch.value), address="127.0.0.1", now=now)
    made.views[VIEWS[0]] = f"{view.id} {logs.keep_out(view.secret)}"


def _let_time_pass(made: Hospital) -> None:
    """End one token, and merge Dora's record into Alice's."""
    expired = digest(made.tokens["an expired token"])
    with made.keys.house.database.write() as connection:
        connection.execute(update(token).where(token.c.hash == expired).values(expires=1))
    houses.retire(made.keys.house, made.patients["Dora"], made.patients["Alice"])
