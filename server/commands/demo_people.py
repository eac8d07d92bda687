"""Who may do what in the sample hospital: accounts, apps and a Magic Link, and the file that knows them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import clock
from server.commands.demo_day import ELENI, JULIA
from server.commands.demo_words import SYSTEM, Patient
from server.errors import Conflict, Missing
from server.flows import accounts, clients, links, passwords, qr, sites
from server.flows.clients import APP_SCOPES, Client
from server.flows.factors import DAY
from server.flows.sites import House

FILE, PICTURE = "demo.json", "demo-link.svg"
LAUNCH_DEMO = "http://127.0.0.1:8091/"
ANSWER = "17 May 1962"
_FACTOR = "birth-date"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in, and for whom."""

    name: str
    role: str
    who: str
    patient: Patient | None = None


USERS = (
    User("julia", "patient", "Júlia Serra, 64: her own record", JULIA),
    User("sofia", "proxy", "the mother of Ελένη Παπαδάκη, 10: her daughter's record", ELENI),
    User("marta", "clinician", "Dr Marta Roca, radiologist: all records"),
    User("omar", "operator", "runs the server: no records"),
)


@dataclass(slots=True)
class Register:
    """DATA/demo.json: passwords, client ids and the link, which the store keeps as digests only."""

    path: Path
    kept: Json

    @classmethod
    def read(cls, data: Path) -> "Register":
        """What was kept; nothing at the first start."""
        path = data / FILE
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls(path, kept)

    def keep(self, **more: Any) -> None:
        """Keep more, for the owner's eyes alone, whole or not at all."""
        self.kept |= more
        write_private(self.path, json.dumps(self.kept, ensure_ascii=False, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that its owner alone may read (0600)."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def furnish(house: House, register: Register) -> Json:
    """Make the users, apps and link that are not there yet, and tell of all."""
    return {
        "users": _users(house, register),
        "clients": _clients(house, register),
        "link": _link(house, register),
    }


def _users(house: House, register: Register) -> list[Json]:
    """Passwords are kept before the accounts are made: a start that is cut off loses none."""
    known: Mapping[str, str] = register.kept.get("passwords", {})
    drawn = {user.name: known.get(user.name) or passwords.made() for user in USERS}
    if drawn != known:
        register.keep(passwords=drawn)
    for user in USERS:
        patients = [_number(user.patient)] if user.patient else []
        wanted = accounts.Wanted(user.name, user.role, patients=patients, password=drawn[user.name])
        try:
            accounts.add(house, wanted, now=clock.now())
        except Conflict:
            continue  # made at an earlier start
    return [
        {"name": user.name, "password": drawn[user.name], "role": user.role, "who": user.who}
        for user in USERS
    ]


def _number(patient: Patient) -> str:
    return f"{SYSTEM}|{patient.person.number}"


def _clients(house: House, register: Register) -> Json:
    """The apps, by name; those of another address are registered anew."""
    viewer = f"{sites.address(house)}/apps/viewer/"
    return {
        "viewer": _client(house, register, "viewer", viewer, viewer),
        "launch demo": _client(
            house, register, "launch demo", LAUNCH_DEMO, f"{LAUNCH_DEMO}launch.html"
        ),
    }


def _client(house: House, register: Register, name: str, redirect: str, launch: str) -> str:
    known: Mapping[str, str] = register.kept.get("clients", {})
    key = f"{name} at {redirect}"
    if key not in known:
        app = Client("", 0, name, "public", APP_SCOPES, "", (redirect,), launch)
        made, _ = clients.add(house, app, "home", now=clock.now())
        register.keep(clients={**known, key: made.id})
    return str(register.kept["clients"][key])


def _link(house: House, register: Register) -> Json:
    """The Magic Link of Júlia's, a new one only when the old one opens no more."""
    kept: Json = register.kept.get("link", {})
    if not kept or not _is_open(house, kept["id"]):
        now = clock.now()
        wanted = links.Wanted(_number(JULIA), _FACTOR, now + 30 * DAY, label="demo")
        made = links.make(house, wanted, now=now)
        kept = {"id": made.id, "token": made.token, "short_code": made.code}
        kept |= {"expires": clock.instant(made.expires)}
        register.keep(link=kept)
    url = f"{sites.address(house)}/s/{kept['token']}"
    picture = register.path.with_name(PICTURE)
    write_private(picture, qr.svg(url))
    told = {"url": url, "asks_for": _FACTOR, "answer": ANSWER, "short_code": kept["short_code"]}
    return told | {"expires": kept["expires"], "qr": str(picture), "id": kept["id"]}


def _is_open(house: House, id_: str) -> bool:
    try:
        found = links.listing(house, "home", _number(JULIA), now=clock.now())
    except Missing:
        return False
    return any(one["id"] == id_ and one["state"] == "open" for one in found)
