"""`feed` and `hl7`: who sends messages, and the log of all that came."""

import json
from datetime import UTC, datetime, timedelta

import click

from server import clock
from server.commands.access import opened, show
from server.flows import feeds, message_log
from server.flows.feeds import ACCESSIONS, PROCESSING, TRAITS, Feed

_organisation = click.option(
    "--organisation", default="home", show_default=True, help="The organisation it belongs to."
)


@click.group()
def feed() -> None:
    """Senders of HL7 v2 messages."""


@feed.command("add")
@click.argument("name")
@_organisation
@click.option("--owns", multiple=True, metavar="SYSTEM", help="Numbers that it may merge and move.")
@click.option("--app", "application", default="", help="Its MSH-3.")
@click.option("--facility", default="", help="Its MSH-4.")
@click.option("--from", "network", default="", metavar="CIDR", help="Where it calls from.")
@click.option("--issuer", default="", help="The system of its numbers that name no issuer.")
@click.option("--zone", default="", help="Time zone of its times without an offset.")
@click.option("--charset", default="", help="Character set of messages without MSH-18.")
@click.option(
    "--certificate",
    default="",
    metavar="NAME",
    help="A name in its client certificate (CN or DNS), or the SHA-256 of it in hexadecimal.",
)
@click.option("--listener", default="", help="mllp or mllps (TLS): the only door it may come to.")
@click.option(
    "--accession",
    default=ACCESSIONS[0],
    show_default=True,
    help=f"Where its accession stands, if not in IPC-1: {', '.join(ACCESSIONS)}.",
)
@click.option(
    "--answer-to",
    default="",
    metavar="mllp://HOST:PORT",
    help="Where later acknowledgements (MSH-16) go; mllps:// over TLS.",
)
@click.option(
    "--trait",
    "traits",
    multiple=True,
    type=click.Choice(TRAITS),
    help="What else is agreed with its sender; may be repeated.",
)
@click.option("--processing", default=",".join(PROCESSING), show_default=True, help="Its MSH-11.")
def feed_add(
    name: str,
    organisation: str,
    owns: tuple[str, ...],
    traits: tuple[str, ...],
    processing: str,
    **more: str,
) -> None:
    """Register a feed, in place of the one of the same name.

    \b
    Example:
      feed add ris --from 10.1.2.3/32 --app RIS --zone Europe/London \\
        --issuer https://stmary.example/mrn --owns https://stmary.example/mrn
    """
    wanted = frozenset(word.strip() for word in processing.split(",") if word.strip())
    # The organisation's number is looked up when the feed is kept.
    agreed = frozenset(traits)
    made = Feed(0, name, owns=frozenset(owns), processing=wanted, traits=agreed, **more)
    with opened() as house:
        feeds.put_feed(house, made, organisation, now=clock.now())
    lists = {"owns": sorted(owns), "processing": sorted(wanted), "traits": sorted(agreed)}
    show({"feed": name, "organisation": organisation, **more, **lists})


@click.group()
def hl7() -> None:
    """The log of HL7 v2 messages."""


_since = click.option("--since", default="", metavar="TIME", help="From this time on (ISO 8601).")
_before = click.option("--before", default="", metavar="TIME", help="Before this time.")
_day = click.option("--day", default="", metavar="YYYY-MM-DD", help="All of this day (UTC).")


@hl7.command("list")
@_organisation
@click.option("--state", default="", help="pending, applied, unmapped, review, parked, duplicate.")
@click.option("--feed", default="", help="Only of this feed.")
@click.option("--control-id", default="", help="Only with this MSH-10.")
@_since
@_before
@_day
def hl7_list(
    organisation: str,
    state: str,
    feed: str,
    control_id: str,
    since: str,
    before: str,
    day: str,
) -> None:
    """Print one JSON object for each message, oldest first, at most 500."""
    start, end = _span(since, before, day)
    equal = {"state": state, "feed": feed, "control_id": control_id}
    with opened() as house:
        for one in message_log.listing(house, organisation, since=start, before=end, **equal):
            click.echo(json.dumps(one, ensure_ascii=False))


@hl7.command("show")
@_organisation
@click.argument("message", type=int)
def hl7_show(organisation: str, message: int) -> None:
    """Print a message with its answer, its outcome, and each resource version that it wrote."""
    with opened() as house:
        show(message_log.show(house, organisation, message))


@hl7.command("replay")
@_organisation
@click.argument("message", type=int, nargs=-1)
@_since
@_before
@_day
def hl7_replay(
    organisation: str, message: tuple[int, ...], since: str, before: str, day: str
) -> None:
    """Apply messages again, by id or by time; what has not changed is not written again."""
    start, end = _span(since, before, day)
    with opened() as house:
        count = message_log.replay(house, organisation, list(message), since=start, before=end)
    show({"replayed": count})


@hl7.command("park")
@_organisation
@click.argument("message", type=int)
def hl7_park(organisation: str, message: int) -> None:
    """Set a message aside, so that those behind it are applied."""
    with opened() as house:
        message_log.park(house, organisation, message)
    show({"parked": message})


def _span(since: str, before: str, day: str) -> tuple[int, int]:
    """From when and before when, as the tables keep it; 0 is no limit."""
    if not day:
        return _micros(since), _micros(before)
    start = _micros(day)
    return start, start + int(timedelta(days=1).total_seconds()) * 1_000_000


def _micros(text: str) -> int:
    """A moment as the tables keep it; without an offset it is UTC, and empty is 0."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as bad:
        raise click.BadParameter(f"{text}: give a time as 2026-01-31T12:00:00Z") from bad
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
