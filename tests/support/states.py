"""Patients whose report is each in another state, and everybody who may ask for it.

Each has an examination with a picture and a structured report, and the same report by message, with
a result and a document. In every part of the content stands what is of this patient alone: whoever
reads it there has seen what was reported.
"""

import base64
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from fhir.datetimes import search_range
from server import clock
from server.flows import opening, parties, release_table
from server.flows.opening import Handle
from server.flows.release_table import Wanted
from server.store.tables import audit
from tests.support import holder, logs
from tests.support.dicom_objects import part10
from tests.support.dicom_papers import narrative, report, request
from tests.support.hl7_builder import obr, obx, packed
from tests.support.keyring import Keyring, keyring
from tests.support.mllp import send
from tests.support.scenes import ROOT, SYSTEM, instance
from tests.support.server import Server, running
from tests.support.smart_app import App, Person
from tests.support.waiting import until
from tests.support.web import Web

# Patient number: the state of the report.
STATES = {
    "FINLAY": "final",
    "PRESTON": "preliminary",
    "RESTON": "restricted",
    "WITHAM": "withdrawn",
    "LATERAN": "held for hours",
    "PROXIMA": "held from proxies",
    "HIDALGO": "hidden",
    "NOWAK": "released by name",
}
# The second code of the examination, by which the site's release table knows what to hold. Of those
# who see the same as others only one asks.
KINDS = {
    "held for hours": "LATER",
    "held from proxies": "PROXY",
    "hidden": "HIDDEN",
    "released by name": "NAMED",
}
BORN = "19600101"
# When the reports were issued, and for how long one is held from now on.
_ISSUED = search_range("2026-09-05T12:01:00Z")[0]
_HOURS = 48
PATIENTS = ("the patient", "a proxy", "a client for a group", "the holder of a link")
STAFF = ("a clinician", "a clinician with this patient open", "the organisation's system")


@dataclass(slots=True)
class Case:
    """One patient's record: the ids of what is in it by type, and its callers by actor.

    `size` is what was measured, of nobody else.
    """

    number: str
    state: str
    study: str
    size: str
    ids: dict[str, str] = field(default_factory=dict)
    callers: dict[str, Web] = field(default_factory=dict)

    def path(self, pattern: str) -> str:
        """An address with this record's ids and UIDs in it."""
        ids = {name.lower(): id_ for name, id_ in self.ids.items()}
        return pattern.format(study=self.study, ct=f"{self.study}.1", sr=f"{self.study}.9", **ids)


@dataclass(slots=True)
class Ward:
    """The server, and its patients by the state of their report."""

    server: Server
    keys: Keyring
    cases: dict[str, Case] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def refusals(self) -> int:
        """How many refusals the audit holds."""
        query = select(audit.c.seq).where(audit.c.action == "refuse")
        with self.keys.house.database.read() as connection:
            return len(connection.execute(query).all())


@contextmanager
def ward(data: Path) -> Iterator[Ward]:
    """The ward, for the length of a block."""
    with running(data, ISSUER=SYSTEM) as server, keyring(server) as keys:
        made = Ward(server, keys)
        for place, (number, state) in enumerate(STATES.items(), 1):
            made.cases[state] = Case(number, state, f"{ROOT}.7.{place}", f"471{place}")
        _hold(made)
        _examine(made)
        _report(made)
        _admit(made)
        yield made


def _hold(made: Ward) -> None:
    """The site's release table: a row for each kind."""
    until = clock.instant(clock.now())[:4]
    end: dict[str, Any] = {"reason": "a test", "until": f"{int(until) + 1}-12-31"}
    hours = _HOURS + (clock.now() - _ISSUED) // 3_600_000_000
    for wanted in (
        Wanted("report", "after", kind="LATER", hours=hours, reason="a test"),
        Wanted("report", "named", kind="PROXY", actor="proxy", **end),
        Wanted("report", "asking", kind="HIDDEN", secret=True, **end),
        Wanted("report", "named", kind="NAMED", **end),
    ):
        release_table.add(made.keys.house, "home", wanted, now=clock.now())


def _examine(made: Ward) -> None:
    staff = Web(made.server.base + "/dicomweb", made.keys.token("system/*.cruds"))
    objects = [part for case in made.cases.values() for part in _objects(case)]
    assert staff.store(*objects).status_code == 200


def _objects(case: Case) -> list[bytes]:
    """A picture, and the structured report of the same order that messages tell of."""
    asked = request(case.study, placer=f"P-{case.number}", filler=f"F-{case.number}")
    person: dict[str, Any] = {
        "PatientID": case.number,
        "PatientName": "Nobody^N",
        "PatientBirthDate": BORN,
        "PatientSex": "O",
        "StudyInstanceUID": case.study,
        "SeriesInstanceUID": f"{case.study}.9",
    }
    signed = case.state != "preliminary"
    text = narrative(f"seen in {case.number}", "Benign.")
    told = report(f"{case.study}.9.1", text, requests=[asked], verified=signed, **person)
    return [instance("CT_small.dcm", 1, case.number, case.study), part10(told)]


def _oru(case: Case, status: str, minute: int, mark: str = "F") -> bytes:
    """The report as a message tells it; `mark` is the status of its results."""
    kind = KINDS.get(case.state, "")
    exam = f"HEAD^Head^L^{kind}^{kind}^99LOCAL" if kind else "HEAD^Head^L"
    numbers = {"f2": f"P-{case.number}", "f3": f"F-{case.number}", "f4": exam}
    code = "R" if case.state == "restricted" else "U"
    order = f"ORC|RE|P-{case.number}|F-{case.number}" + "|" * 25 + f"{code}^^HL70177"
    document = base64.b64encode(f"%PDF-1.4 of {case.number}".encode()).decode()
    return packed(
        "ORU^R01^ORU_R01",
        f"PID|1||{case.number}||Nobody^N||{BORN}|O",
        order,
        obr(**numbers, f22=f"2026090512{minute:02}00+0000", f25=status),
        obx("TX", "&IMP", f"Impression of {case.number}.", status=mark),
        obx("NM", "8302-2^Size^LN", case.size, units="mm", status=mark),
        obx("ED", "PDF^Report^L", f"^AP^PDF^Base64^{document}", status=mark),
        control=f"{case.number}{minute}",
        sent=f"2026090512{minute:02}30+0000",
    )


def _report(made: Ward) -> None:
    """The reports, once their studies are there; one of them is taken back."""
    staff = made.keys.token("system/*.rs")
    for case in made.cases.values():
        status = "P" if case.state == "preliminary" else "F"
        assert send(made.server.mllp, _oru(case, status, 1)) == ["AA"]
    for case in made.cases.values():
        until(partial(_is_whole, made, case, staff), f"the record of {case.number}")
    gone = made.cases["withdrawn"]
    assert send(made.server.mllp, _oru(gone, "F", 2, "W")) == ["AA"]
    told = f"/fhir/DiagnosticReport/{gone.ids['DiagnosticReport']}"
    until(lambda: "entered-in-error" in made.server.get(told, staff).text, "the withdrawal")
    named = f"DiagnosticReport/{made.cases['released by name'].ids['DiagnosticReport']}"
    release_table.release(made.keys.house, "home", named, "they talked", now=clock.now())


def _is_whole(made: Ward, case: Case, staff: str) -> bool:
    """Whether message and document have become one report, with its pictures and its order."""
    (patient,) = _found(made, f"Patient?identifier={case.number}", staff) or [{"id": ""}]
    case.ids["Patient"] = patient["id"]
    for type_ in ("DiagnosticReport", "Observation", "ServiceRequest", "ImagingStudy"):
        found = _found(made, f"{type_}?patient={patient['id']}", staff) if patient["id"] else []
        if not found:
            return False
        case.ids[type_] = found[0]["id"]
        if type_ == "DiagnosticReport":
            (told,) = found if len(found) == 1 else [{}]
            urls = [form.get("url", "") for form in told.get("presentedForm", [])]
            documents = [url for url in urls if url.startswith("Binary/")]
            numbers = [one["value"] for one in told.get("identifier", [])]
            if not (
                documents and told.get("imagingStudy") and f"urn:oid:{case.study}.9.1" in numbers
            ):
                return False
            case.ids["Binary"] = documents[0].removeprefix("Binary/")
    return True


def _found(made: Ward, words: str, token: str) -> list[Any]:
    body = made.server.get(f"/fhir/{words}", token).json()
    return [entry["resource"] for entry in body.get("entry", [])]


def _admit(made: Ward) -> None:
    """Everybody who comes, each as they really would: with a token of their own, or a cookie."""
    keys, server = made.keys, made.server
    parties.add_organisation(keys.house, "west", issuer="", issuers={}, zone="", now=clock.now())
    app, west = App(server, keys.app()[0]), App(server, keys.app(organisation="west")[0])
    everyone = [case.ids["Patient"] for case in made.cases.values()]
    keys.user("pat", "proxy", *everyone)
    keys.user("drew", "clinician")
    keys.user("wes", "clinician", organisation="west")
    drew, pat = Person(server, "drew"), Person(server, "pat")
    shared = {
        "a clinician": app.tokens(drew, scope="user/*.rs")["access_token"],
        "the organisation's system": keys.backend("all").token(),
        "a clinician elsewhere": _elsewhere(west, Person(server, "wes")),
    }
    for case in made.cases.values():
        patient = case.ids["Patient"]
        keys.user(case.number, "patient", patient)
        keys.group(case.number, patient)
        asked = {"scope": "patient/*.rs", "patient": patient}
        own = {
            "the patient": app.tokens(Person(server, case.number), **asked)["access_token"],
            "a proxy": app.tokens(pat, **asked)["access_token"],
            "a client for a group": keys.backend(f"group:{case.number}").token(),
            "a clinician with this patient open": app.tokens(drew, **asked)["access_token"],
        }
        tokens = shared | own
        case.callers = {
            actor: Web(server.base, token, session=made.session) for actor, token in tokens.items()
        }
        case.callers["the holder of a link"] = _holder(made, patient)
        if case.state in KINDS:
            for actor in (*STAFF[1:], "a client for a group", "a clinician elsewhere"):
                del case.callers[actor]
    cases = list(made.cases.values())
    for case, other in itertools.pairwise([*cases, cases[0]]):
        case.callers["another patient"] = other.callers["the patient"]


def _elsewhere(app: App, person: Person) -> str:
    return str(app.tokens(person, scope="user/*.rs")["access_token"])


def _holder(made: Ward, patient: str) -> Web:
    """A browser that opened a link to all of a patient's pictures."""
    link = holder.link(made.keys, patient, "pin")
    handle, house = Handle(link.token), made.keys.house
    secret = opening.open_link(house, handle, link.answer, address="127.0.0.1", now=clock.now())
    return Web(made.server.base, "", logs.keep_out(secret), made.session)
