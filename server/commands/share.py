"""`share`: Magic Links, for patients who have nothing but a link."""

import json
from typing import IO, Any

import click

from server import clock
from server import config as settings
from server.commands.access import opened, show
from server.errors import Invalid
from server.flows import links
from server.flows.factors import FACTORS
from server.flows.links import Made, Wanted
from server.web import share_sheet, sharing
from server.web.share_texts import LANGUAGES


@click.group(invoke_without_command=True, short_help="Links for patients.")
@click.option("--patient", default="", metavar="ID", help="A Patient id, or system|value.")
@click.option(
    "--study",
    "studies",
    multiple=True,
    metavar="UID",
    help="A Study Instance UID; may be repeated. Without it, all that the patient has now.",
)
@click.option(
    "--expires",
    default=links.USUAL,
    show_default=True,
    metavar="12h|7d|DATE",
    help="How long it lives. One that asks for a birth date: at most 30 days.",
)
@click.option(
    "--factor",
    type=click.Choice(tuple(FACTORS)),
    help="What the link asks for. Default: TRIPTYCH_LINK_FACTOR.",
)
@click.option("--person", default="", metavar="NAME", help="The user who alone may open it.")
@click.option("--uses", default=0, help="How often it may be opened; 0: as often as wanted.")
@click.option("--label", default="", help="A note for `share list`: it is shown to nobody else.")
@click.option(
    "--mail",
    is_flag=True,
    help="Also mail it to the patient, with word of new reports; codes of otp are mailed as well.",
)
@click.option(
    "--health-link",
    is_flag=True,
    help="Also as a SMART Health Link for apps, with a passcode that goes another way.",
)
@click.option(
    "--sheet",
    type=click.File("w", encoding="utf-8", lazy=False),
    help="Also write a sheet to print and hand over (HTML). The answer is not on it.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="What the sheet speaks.",
)
@click.option("--organisation", default="home", show_default=True)
@click.pass_context
def share(
    context: click.Context, /, patient: str, sheet: IO[str] | None, language: str, **given: Any
) -> None:
    """Make a link to a patient's studies and reports, and print it.

    Give it to the patient in person, or send it to an address that you know to be theirs: what
    `url`, `short_code` and `qr_svg` lead to is opened with the patient's birth date. With --factor
    pin or otp it is opened with `pin` or `otp`, which is printed this once and goes another way
    than the link: by telephone, by post, in person. A code of otp opens the link one time. With
    --factor named-person it opens for the user of --person alone, who signs in: a clinician
    elsewhere for a second opinion, or a proxy.

    \b
    Examples:
      share --patient 'https://stmary.example/mrn|12345'
      share --patient hlmfg5wkznxqzb4qxlvt5wyv2q --factor pin --expires 7d \\
        --sheet sheet.html --language es
      share list --patient hlmfg5wkznxqzb4qxlvt5wyv2q
    """
    if context.invoked_subcommand:
        return
    if not patient:
        raise Invalid("share needs --patient: a Patient id, or a number as system|value")
    made, asked = _make(patient, **given)
    if sheet is not None:
        sheet.write(share_sheet.page(made, asked, language, settings.load().link_phone))
    show(sharing.told(made, asked))


def _make(
    patient: str,
    *,
    factor: str | None,
    expires: str,
    studies: tuple[str, ...],
    uses: int,
    **more: Any,
) -> tuple[Made, str]:
    """The link, and what it asks for."""
    if uses < 0:
        raise Invalid("--uses is 0 or more")
    now, asked = clock.now(), factor or settings.load().link_factor
    end = links.expiry(expires, asked, now)
    wanted = Wanted(patient, asked, end, frozenset(studies), most_uses=uses, **more)
    with opened() as house:
        return links.make(house, wanted, now=now), asked


@share.command("list")
@click.option("--patient", default="", metavar="ID", help="Only this patient's.")
@click.option("--organisation", default="home", show_default=True)
def share_list(patient: str, organisation: str) -> None:
    """Print one JSON object for each link, the newest first."""
    with opened() as house:
        for one in links.listing(house, organisation, patient, now=clock.now()):
            click.echo(json.dumps(one, ensure_ascii=False))


@share.command("revoke")
@click.argument("link")
def share_revoke(link: str) -> None:
    """End a link now: pages that are open go blank within three seconds."""
    with opened() as house:
        links.revoke(house, link, now=clock.now())
    show({"id": link, "state": "revoked"})


@share.command("extend")
@click.argument("link")
@click.option("--expires", required=True, metavar="12h|7d|DATE", help="Counted from now.")
def share_extend(link: str, expires: str) -> None:
    """Let a link live to another time; a link that wrong answers locked opens again."""
    with opened() as house:
        end = links.extend(house, link, expires, now=clock.now())
    show({"id": link, "expires": clock.instant(end)})


@share.command("log")
@click.argument("link")
def share_log(link: str) -> None:
    """Print who did what with a link: one JSON object for each event, the newest first."""
    with opened() as house:
        for one in links.log(house, link):
            click.echo(json.dumps(one, ensure_ascii=False))
