"""`merge`, `unmerge`, `recall` and `review`: who is who, where a person has to say so."""

import json

import click

from server import clock
from server.commands.access import opened, show
from server.flows import curating, recalls, reviewing

_organisation = click.option(
    "--organisation", default="home", show_default=True, help="The organisation of both records."
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
    since stays with it. Tokens and Magic Links that reached it end and do not come back; `recall
    list` says which, and who has read what meanwhile.

    \b
    Example:
      unmerge "https://h.example/mrn|100" --reason "two sisters, not one patient"
    """
    with opened() as house:
        done = curating.unmerge(house, organisation, patient, reason, now=clock.now())
    show(done)


@click.group(short_help="What was shown as somebody else's.")
def recall() -> None:
    """What was shown as another patient's, until a merge was undone.

    \b
    Example:
      recall list
    """


@recall.command("list")
@_organisation
def recall_list(organisation: str) -> None:
    """Print one JSON object for each: since when, which grants ended, and what was read."""
    with opened() as house:
        for one in recalls.listing(house, organisation):
            click.echo(json.dumps(one, ensure_ascii=False))


@click.group(short_help="What waits for a person to decide.")
def review() -> None:
    """What the server would not decide alone, with the evidence.

    \b
    Example:
      review list
      review accept 5f0c... --reason "same passport, birth date mistyped at the CT"
    """


_item = click.argument("item")
_whose = click.option(
    "--organisation", default="home", show_default=True, help="The organisation it belongs to."
)
_because = click.option("--reason", required=True, help="Why; it is kept with the item.")


@review.command("list")
@click.option(
    "--state",
    default="open",
    show_default=True,
    help="open, noted, accepted, refused, resolved, or '' for all.",
)
def review_list(state: str) -> None:
    """Print one JSON object for each item: its evidence, and what accept and refuse do."""
    with opened() as house:
        for one in reviewing.listing(house, state):
            click.echo(json.dumps(one, ensure_ascii=False))


@review.command("accept")
@_item
@click.option("--into", default="", metavar="PATIENT", help="The record that stays, of two.")
@_whose
@_because
def review_accept(item: str, into: str, organisation: str, reason: str) -> None:
    """Decide that what ITEM proposes is so; `review list` says what that does."""
    with opened() as house:
        show(reviewing.accept(house, organisation, item, reason, into, now=clock.now()))


@review.command("refuse")
@_item
@_whose
@_because
def review_refuse(item: str, organisation: str, reason: str) -> None:
    """Decide that it is not so. The same is not proposed again on the same evidence."""
    with opened() as house:
        show(reviewing.refuse(house, organisation, item, reason, now=clock.now()))


@review.command("undo")
@_item
@_whose
@_because
def review_undo(item: str, organisation: str, reason: str) -> None:
    """Take the decision on ITEM back, with what it did."""
    with opened() as house:
        show(reviewing.undo(house, organisation, item, reason, now=clock.now()))
