"""`merge`, `unmerge` and `review`: who is who, where a person has to say so."""

import click

from server import clock
from server.commands.access import opened, show
from server.flows import curating

_organisation = click.option(
    "--organisation", default="home", show_default=True, help="The organisation of both."
)
_reason = click.option("--reason", required=True, help="Why; it is kept in the audit.")


@click.command(short_help="Let one patient's record replace another's.")
@click.argument("patient")
@click.option("--into", required=True, metavar="PATIENT", help="The record that stays.")
@_organisation
@_reason
def merge(patient: str, into: str, organisation: str, reason: str) -> None:
    """Merge PATIENT into another record of the same organisation.

    Both are named by a Patient id or by a number as system|value. The merged record stays readable,
    inactive, and leads to the other; its data shows the other as its patient. Tokens for it end; those
    for the other gain nothing. `unmerge` brings everything back.

    \b
    Example:
      merge "https://h.example/mrn|100" --into "https://h.example/mrn|200" --reason "registered twice"
    """
    with opened() as house:
        done = curating.merge(house, organisation, patient, into, reason, now=clock.now())
    show(done)


@click.command(short_help="Undo a merge.")
@click.argument("patient")
@_organisation
@_reason
def unmerge(patient: str, organisation: str, reason: str) -> None:
    """Take the merged record PATIENT out of the one that replaced it.

    Numbers, links and data are as if the two had never been merged; what came in for its numbers
    since stays with it. Tokens that ended do not come back.

    \b
    Example:
      unmerge "https://h.example/mrn|100" --reason "two sisters, not one patient"
    """
    with opened() as house:
        done = curating.unmerge(house, organisation, patient, reason, now=clock.now())
    show(done)
