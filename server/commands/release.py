"""`release`: when patients, proxies and holders of links see reports and pictures."""

from typing import Any

import click

from server import clock
from server.commands.access import opened, show
from server.flows import release_table
from server.flows.release_table import ACTORS, PARTS, STATUSES, THEN, Wanted

_belongs = click.option("--organisation", default="home", show_default=True)
_reason = click.option("--reason", required=True, help="Why; it is kept in the audit.")


@click.group(short_help="When patients see reports and pictures.")
def release() -> None:
    """When patients, their proxies and the holders of links see reports and pictures.

    Without a row the default counts: final, amended, corrected and appended reports and all pictures
    at once; what is not final, or what its sender restricts, stays with staff, whatever a row says. Of
    several rows that fit the one that describes most counts; of two that describe as much, the one
    that holds longer. Staff see everything.

    \b
    Example, a delay that a law orders for some reports:
      release add report --kind PAT --then after --hours 72 --reason "state law, pathology"
    """


@release.command("add")
@click.argument("part", type=click.Choice(PARTS))
@click.option("--status", type=click.Choice(STATUSES), help="Of a report; else all.")
@click.option(
    "--kind", default="", metavar="CODE", help="Of the examination: a category, code or modality."
)
@click.option("--label", default="", metavar="CODE", help="A security label that its sender gave.")
@click.option("--actor", type=click.Choice(ACTORS), help="Who looks; else all three.")
@click.option("--ages", default="", metavar="12-17", help="Of the patient, on the day of asking.")
@click.option("--then", type=click.Choice(THEN), required=True, help="What becomes of it.")
@click.option("--hours", default=0, help="How long after its issue, for `after`.")
@click.option("--hide", is_flag=True, help="Do not tell either that it exists, while it is held.")
@click.option("--reason", default="", help="Why; a hold needs one. It is kept in the audit.")
@click.option("--until", default="", metavar="DAY", help="When the row ends and holds no more.")
@_belongs
def release_add(organisation: str, hide: bool, **given: Any) -> None:
    """Add a row for reports or for pictures; it counts from the next request on.

    `after` waits for hours after the report was issued, or after the pictures came in. `named` and
    `asking` wait for `release now`: by a decision of staff, or when the patient asks; both need an
    --until. `at-once` makes an exception from a wider row.

    \b
    Examples:
      release add report --ages 12-17 --actor proxy --then named --until 2027-06-30 \\
        --reason "adolescents decide with their doctor"
      release add pictures --kind MG --actor link --then after --hours 24 --reason "read first"
      release add report --kind CT --status final --then at-once
    """
    said = {name: value for name, value in given.items() if value is not None}
    wanted = Wanted(secret=hide, **said)
    with opened() as house:
        show(release_table.add(house, organisation, wanted, now=clock.now()))


@release.command("list")
@_belongs
def release_list(organisation: str) -> None:
    """Print one JSON object for each row, then for each item that was released or held by name."""
    with opened() as house:
        for one in release_table.listing(house, organisation):
            show(one)


@release.command("remove")
@click.argument("row", type=int)
@_belongs
def release_remove(row: int, organisation: str) -> None:
    """Take ROW away: what it held is as the next row says, from the next request on."""
    with opened() as house:
        release_table.remove(house, organisation, row)
    show({"row": row, "removed": True})


@release.command("now")
@click.argument("item", metavar="TYPE/ID")
@_reason
@_belongs
def release_now(item: str, reason: str, organisation: str) -> None:
    """Release one DiagnosticReport, DocumentReference or ImagingStudy by name, whatever a row says.

    \b
    Example:
      release now DiagnosticReport/0d9f… --reason "talked with the patient today"
    """
    with opened() as house:
        show(release_table.release(house, organisation, item, reason, now=clock.now()))


@release.command("hold")
@click.argument("item", metavar="TYPE/ID")
@click.option("--until", required=True, metavar="DAY", help="When the hold ends, as 2027-01-31.")
@_reason
@_belongs
def release_hold(item: str, until: str, reason: str, organisation: str) -> None:
    """Hold one report, document or study until a day; afterwards it is as the rows say.

    \b
    Example:
      release hold DiagnosticReport/0d9f… --until 2027-01-31 --reason "the visit is on the 30th"
    """
    with opened() as house:
        now = clock.now()
        show(release_table.hold(house, organisation, item, until, reason, now=now))
