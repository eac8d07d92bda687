"""What a user picks from before an app is allowed anything: found and audited as any other search."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from server.errors import Denied, Missing
from server.flows import resources, searching
from server.flows.access import Grant
from server.flows.accounts import Account
from server.flows.sites import House
from server.store import people


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a picker."""

    id: str
    text: str


def patients(house: House, grant: Grant, name: str) -> list[Choice]:
    """The patients whom the user may pick, those of a name if one is given; the first fifty."""
    words = [("name", name)] if name.strip() else []
    words += [("active:not", "false"), ("_sort", "family")]
    return [_patient(one) for one in _found(house, grant, "Patient", words)]


def encounters(house: House, grant: Grant, patient: str) -> list[Choice]:
    """The visits of a patient, the latest first."""
    found = _found(house, grant, "Encounter", [("patient", patient), ("_sort", "-date")])
    return [_encounter(one) for one in found]


def _found(
    house: House, grant: Grant, resource_type: str, words: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    query = searching.understood(house, resource_type, words)
    page, reading = searching.search(house, grant, query, count=50)
    reading.end()  # nothing of it leaves by the door of FHIR
    return [json.loads(one.text) for one in page.matches]


def _patient(body: dict[str, Any]) -> Choice:
    return Choice(body["id"], ", ".join(filter(None, (named(body), body.get("birthDate", "")))))


def named(body: dict[str, Any]) -> str:
    """A person's name as one line."""
    names = body.get("name") or [{}]
    first = names[0]
    text = first.get("text") or " ".join([*first.get("given", []), first.get("family", "")])
    return text.strip() or body["id"]


def _encounter(body: dict[str, Any]) -> Choice:
    period, kinds = body.get("period", {}), body.get("type") or [{}]
    kind = kinds[0].get("text") or body.get("class", {}).get("display", "")
    words = (period.get("start", "")[:16].replace("T", " "), kind, body.get("status", ""))
    return Choice(body["id"], ", ".join(filter(None, words)) or body["id"])


def name_of(house: House, grant: Grant, patient: str) -> str:
    """The name of a patient whom the user reaches, for the page that asks."""
    try:
        version, reading = resources.read(house, grant, "Patient", patient)
    except Missing:
        return patient
    reading.end()
    return named(json.loads(version.text))


def named_ones(house: House, grant: Grant, patients: Iterable[str]) -> list[Choice]:
    """These patients, as far as they still stand."""
    with house.database.read() as connection:
        standing = people.active(connection, grant.organisation, patients)
    return [Choice(one, name_of(house, grant, one)) for one in sorted(standing)]


def check(house: House, account: Account, patient: str) -> None:
    """Raise Denied for a patient whom a user does not reach, or who is not there."""
    with house.database.read() as connection:
        standing = people.active(connection, account.organisation, [patient])
    if not standing or not (account.staff or patient in account.patients):
        raise Denied("you do not reach this patient")
