"""`contact`: where patients are reached by mail."""

import click

from server import clock
from server.commands.access import opened, show
from server.flows import reachable
from server.flows.reachable import Contact
from server.web.share_texts import LANGUAGES

_patient = click.option(
    "--patient", required=True, metavar="ID", help="A Patient id, or system|value."
)
_belongs = click.option("--organisation", default="home", show_default=True)


@click.group(short_help="Where patients are reached by mail.")
def contact() -> None:
    """Addresses that were checked to be the patient's: notices go there and nowhere else."""


@contact.command("set")
@_patient
@click.option("--mail", required=True, metavar="ADDRESS", help="An address that you checked.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@_belongs
def contact_set(patient: str, mail: str, language: str, organisation: str) -> None:
    """Keep an address of a patient that you checked to be theirs, and what they read."""
    known = Contact(mail, language)
    with opened() as house:
        id_ = reachable.set_contact(house, organisation, patient, known, now=clock.now())
    show({"patient": id_, "language": language})


@contact.command("show")
@_patient
@_belongs
def contact_show(patient: str, organisation: str) -> None:
    """Print a patient's address, what they read, and when somebody checked it."""
    with opened() as house:
        known, checked = reachable.contact_of(house, organisation, patient)
    show({"mail": known.mail, "language": known.language, "checked": clock.instant(checked)})


@contact.command("forget")
@_patient
@_belongs
def contact_forget(patient: str, organisation: str) -> None:
    """Forget a patient's address: nothing is mailed to them any more."""
    with opened() as house:
        id_ = reachable.forget_contact(house, organisation, patient)
    show({"patient": id_, "forgotten": True})
