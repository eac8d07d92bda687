"""`demo`: the server with a sample hospital, sent in through its own DICOM and HL7 doors."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from dicom import scu
from hl7 import sender
from hl7.message import parse
from server import clock
from server import config as settings
from server.commands import demo_people
from server.commands import serve as serving
from server.commands.demo_day import HEAD_NOW, JULIA, PATIENTS, Part, day
from server.commands.demo_people import Json, Register
from server.commands.demo_words import SYSTEM
from server.commands.supervisor import Supervisor
from server.config import BadSetting, Config
from server.flows import grants, launches, samples
from server.flows.sites import HOME, House, open_house

_HERE = "127.0.0.1"
_PATIENCE = 120
_TOKEN_SECONDS = 900
# Visitors watch the progress, and have no use for a line about each association.
_QUIET = {"TRIPTYCH_LOG_LEVEL": "WARNING"}


@click.command(short_help="Start it with a sample hospital, to try it.")
def demo() -> None:
    """Start the server with a sample hospital, and say what to click and paste first.

    Three made-up patients come in as in life: by HL7 and DICOM, at the doors of this server.
    Everything lives in TRIPTYCH_DATA (./data); running it again changes nothing, and a folder that
    holds other data is refused. Prints one JSON object with addresses, users and a Magic Link.
    Stop with Ctrl-C.
    """
    config = settings.load({**_QUIET, **os.environ})
    samples.refuse_exposed(config)
    supervisor = serving.start(config, before=samples.claim_for_demo)
    try:
        click.echo(supervisor.ready_line())
        with _opened(supervisor.config) as house:
            if not samples.is_filled(house):
                _fill(house, supervisor)
            shown = _shown(house, supervisor)
    except BaseException:
        supervisor.end()
        raise
    click.echo(json.dumps(shown, ensure_ascii=False))
    _explain(shown)
    sys.stdout.flush()
    sys.exit(supervisor.run())


@contextmanager
def _opened(config: Config) -> Iterator[House]:
    house = open_house(config, "demo")
    try:
        yield house
        house.auditor.tend()
    finally:
        house.close()


def _fill(house: House, supervisor: Supervisor) -> None:
    """Send the whole day; what a start that was cut off had sent changes nothing."""
    for part in day():
        _tell(supervisor, part.before)
        _send(supervisor, part)
        _tell(supervisor, part.after)
    _await(house)
    samples.mark_filled(house)


def _send(supervisor: Supervisor, part: Part) -> None:
    """Draw the files of a part and send them in one association."""
    with click.progressbar(
        part.files(), length=part.count, label=f"{part.label:<58}", file=sys.stderr
    ) as bar:
        files = list(bar)
    called = supervisor.config.ae_title
    scu.send(_HERE, supervisor.ports["dimse"], files, calling="DEMO", called=called)


def _tell(supervisor: Supervisor, messages: tuple[bytes, ...]) -> None:
    """Send messages; each has to be accepted."""
    if not messages:
        return
    for reply in sender.send(_HERE, supervisor.ports["mllp"], messages):
        answer = parse(reply).first("MSA")
        if answer is None or answer.text(1) != "AA":
            raise BadSetting("the HL7 door refused a sample message: `hl7 list` says why")


def _await(house: House) -> None:
    """Wait until all that was sent is applied and every study is settled."""
    left = first = samples.undone(house)
    deadline = time.monotonic() + _PATIENCE
    with click.progressbar(
        length=first.waiting, label=f"{'Joining messages and pictures':<58}", file=sys.stderr
    ) as bar:
        while left.waiting:
            if time.monotonic() > deadline:
                raise BadSetting("the sample data did not settle: `jobs list` says why")
            time.sleep(0.1)
            before, left = left, samples.undone(house)
            bar.update(max(0, before.waiting - left.waiting))
        bar.update(first.waiting)
    if left.parked:
        raise BadSetting("something of the sample data failed: `jobs list` says why")


def _shown(house: House, supervisor: Supervisor) -> Json:
    """All that a visitor needs: addresses, who is who, a link, a token, and what to try."""
    config, ports = supervisor.config, supervisor.ports
    found = {
        one.name: samples.patient_with(house, HOME, SYSTEM, one.person.number) for one in PATIENTS
    }
    patient, now = found[JULIA.name], clock.now()
    issued = grants.for_script(
        house, "patient/*.rs", patient=patient, seconds=_TOKEN_SECONDS, now=now
    )
    shown = {
        "base": config.base,
        "fhir": config.fhir_base,
        "dicomweb": f"{config.base}/dicomweb",
        "viewer": f"{config.base}/apps/viewer/",
        "dimse": f"{config.ae_title}@{_HERE}:{ports['dimse']}",
        "mllp": f"{_HERE}:{ports['mllp']}",
        **demo_people.furnish(house, Register.read(config.data)),
        "patients": [
            {"name": one.name, "number": f"{SYSTEM}|{one.person.number}", "id": found[one.name]}
            for one in PATIENTS
        ],
        "patient": patient,
        "study": HEAD_NOW.uid,
        "token": issued.token,
    }
    return shown | {"try": _try(house, shown)}


def _try(house: House, shown: Json) -> Json:
    """What each kind of visitor does first."""
    app = shown["clients"]["viewer"]
    wanted = launches.Wanted(app, shown["patient"])
    launched = launches.make(house, wanted, now=clock.now()).url
    bearer = f"-H 'Authorization: Bearer {shown['token']}'"
    return {
        "patient": shown["link"]["url"],
        "clinician": f"{launched}&client_id={app}&study={shown['study']}",
        "EHR engineer": f"curl -s {bearer} '{shown['fhir']}/ImagingStudy?patient={shown['patient']}'",
        "interface analyst": ".venv/bin/python -m server hl7 list",
        "operator": ".venv/bin/python -m server review list",
    }


def _explain(shown: Json) -> None:
    """The same for people, on the other stream."""
    tries, link = shown["try"], shown["link"]
    clinician = next(one for one in shown["users"] if one["role"] == "clinician")
    visits = (
        ("A patient", tries["patient"], f"asks for the date of birth, in digits: {link['answer']}"),
        (
            "A clinician",
            tries["clinician"],
            f"good for 10 minutes; log in as {clinician['name']}, {clinician['password']}",
        ),
        ("The engineer of an EHR", tries["EHR engineer"], "good for 15 minutes"),
        (
            "The interface analyst",
            tries["interface analyst"],
            f"HL7 goes to {shown['mllp']}, DICOM to {shown['dimse']}",
        ),
        ("The operator", tries["operator"], "what waits for a decision"),
    )
    click.echo("\nThe sample hospital is open. What to click or paste first:", err=True)
    for who, what, more in visits:
        click.echo(f"\n  {who} ({more})\n    {what}", err=True)
    click.echo(
        f"\nAll passwords are in {demo_people.FILE} of the data folder; docs/first-steps.md goes on "
        "from here.\nCtrl-C stops it.",
        err=True,
    )
