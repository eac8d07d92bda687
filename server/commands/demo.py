"""`demo`: the server with a small study of a made-up patient, sent through its own DICOM door."""

import json
import sys
import time

import click

from dicom import phantom, scu
from server import clock
from server import config as settings
from server.commands import serve as serving
from server.config import BadSetting, Config
from server.flows import grants, samples
from server.flows.sites import open_house

_PATIENCE = 30
_TOKEN_SECONDS = 900


def refuse_unsafe(config: Config) -> None:
    """A demo holds known data and prints a token: it stays on this machine."""
    if not config.loopback:
        raise BadSetting(
            f"a demo serves loopback only, and TRIPTYCH_HOST is {config.host}: "
            "run `serve` for a server that others reach"
        )


@click.command(short_help="Start it with a sample study, to try it.")
def demo() -> None:
    """Start the server with a sample study, and print a token and three lines to try.

    Everything lives in TRIPTYCH_DATA (./data). Running it again changes nothing; a folder that
    holds other data is refused. Stop with Ctrl-C.
    """
    config = settings.load()
    refuse_unsafe(config)
    supervisor = serving.start(config, before=samples.claim_for_demo)
    try:
        click.echo(supervisor.ready_line())
        shown = _fill(supervisor.config, supervisor.ports["dimse"])
    except BaseException:
        supervisor.end()
        raise
    click.echo(json.dumps(shown))
    _explain(shown)
    sys.stdout.flush()
    sys.exit(supervisor.run())


def _fill(config: Config, port: int) -> dict[str, str]:
    """Send the study, wait until it can be read, and describe it."""
    files = phantom.ct_study(phantom.DEMO_PERSON, phantom.DEMO_PLAN)
    with click.progressbar(
        list(files), label="Sending a head CT of a made-up patient", file=sys.stderr
    ) as bar:
        scu.send("127.0.0.1", port, bar, calling="DEMO", called=config.ae_title)
    house = open_house(config, "demo")
    try:
        study = phantom.uid(phantom.DEMO_PLAN.name, phantom.DEMO_PERSON.number)
        patient = _await_study(lambda: samples.patient_of(house, study))
        issued = grants.for_script(
            house, "patient/*.rs", patient=patient, seconds=_TOKEN_SECONDS, now=clock.now()
        )
    finally:
        house.close()
    shown = {"fhir": config.fhir_base, "dicomweb": config.base + "/dicomweb"}
    return shown | {"patient": patient, "study": study, "token": issued.token}


def _await_study(look: "samples.Look") -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise BadSetting("the sample study did not settle: the lines above say why")


def _explain(shown: dict[str, str]) -> None:
    """Three lines that show record, index and picture, for the next 15 minutes."""
    bearer = f'-H "Authorization: Bearer {shown["token"]}"'
    record = f"{shown['fhir']}/ImagingStudy?patient={shown['patient']}"
    study = f"{shown['dicomweb']}/studies/{shown['study']}"
    series = phantom.uid(phantom.DEMO_PLAN.name, phantom.DEMO_PERSON.number, "series")
    image = phantom.uid(phantom.DEMO_PLAN.name, phantom.DEMO_PERSON.number, "instance", 11)
    picture = f"{study}/series/{series}/instances/{image}/rendered"
    click.echo(
        "\nThe server runs. Its one study, read with the patient's own token (good for 15 minutes):"
        f"\n\n  curl -s {bearer} '{record}'"
        f"\n  curl -s {bearer} '{study}/series'"
        f"\n  curl -s {bearer} '{picture}' -o head.jpg"
        "\n\nCtrl-C stops it.",
        err=True,
    )
