"""`user`, `launch` and `keys`: people who log in, apps that an EHR starts, the keys of id_tokens."""

import sys
from dataclasses import asdict

import click

from server import clock
from server.commands.access import opened, show
from server.flows import accounts, launches, passwords, people, second_factor, signing
from server.flows import sites as places
from server.flows.accounts import ROLES, Wanted


@click.group(short_help="People who may log in.")
def user() -> None:
    """People who may log in: patients, who acts for them, and staff."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(tuple(ROLES)), required=True, help="What they may see.")
@click.option(
    "--patient",
    "patients",
    multiple=True,
    metavar="ID",
    help="A Patient id, or system|value: the patient, or whom a proxy acts for (may be repeated).",
)
@click.option("--practitioner", default="", metavar="ID", help="Their Practitioner id, if known.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line.")
@click.option("--organisation", default="home", show_default=True, help="Where they belong.")
def user_add(
    name: str,
    role: str,
    patients: tuple[str, ...],
    practitioner: str,
    password_stdin: bool,
    organisation: str,
) -> None:
    """Make a user and print who they are in FHIR; without --password-stdin also a password, once.

    A patient sees their own record, a proxy those of its patients, a clinician those of the
    organisation. An operator and a privacy officer see no records.

    \b
    Examples:
      user add alice --role patient --patient 'https://stmary.example/mrn|12345'
      user add drew --role clinician --password-stdin < password.txt
    """
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
    wanted = Wanted(name, role, organisation, patients, practitioner, given)
    with opened() as house:
        if password_stdin:
            passwords.check(given)
        made, password = accounts.add(house, wanted, now=clock.now())
        person = f"{places.address(house)}/fhir/{made.fhir_user()}"
    answer = {"user": made.name, "id": made.id, "role": role, "fhirUser": person}
    show(answer | ({"password": password} if password else {}))


@user.command("list")
@click.option("--organisation", default="", help="Only those of one.")
def user_list(organisation: str) -> None:
    """List the users: a line of JSON for each, those that ended too."""
    with opened() as house:
        for one in people.everybody(house, organisation=organisation):
            show(asdict(one))


@user.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line.")
def user_password(name: str, password_stdin: bool) -> None:
    """Give a user another password; they are signed out everywhere.

    Prints the password, once, unless --password-stdin gives one. A second factor stays.
    """
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
    with opened() as house:
        if password_stdin:
            passwords.check(given)
        made = people.reset_password(house, name, given, now=clock.now())
    show({"user": name} | ({"password": made} if made else {}))


@user.command("totp")
@click.argument("name")
def user_totp(name: str) -> None:
    """Take away the second factor of a user who lost it; they are signed out everywhere.

    Who needs one sets it up at the next sign-in. Be sure who asks: the password alone is enough then.
    """
    with opened() as house:
        done = second_factor.reset(house, name, now=clock.now())
    show({"user": done.name, "second_factor": False})


@user.command("end")
@click.argument("name")
def user_end(name: str) -> None:
    """End a user for good: sessions, and every token of the apps that they allowed.

    What they did stays in the audit. Nobody else gets the name.
    """
    with opened() as house:
        done = people.end(house, name, now=clock.now())
    show({"user": done.name, "ended": True})


@click.command()
@click.option("--client", required=True, metavar="ID", help="The app's client_id.")
@click.option("--patient", required=True, metavar="ID", help="A Patient id, or system|value.")
@click.option("--encounter", default="", metavar="ID", help="The visit that is open.")
@click.option(
    "--user",
    default="",
    metavar="NAME",
    help="Who alone may use the launch; a viewer asks them for no login.",
)
@click.option(
    "--context", multiple=True, metavar="TYPE/ID", help="What else is open, as ImagingStudy/…"
)
@click.option("--ehr-banner", is_flag=True, help="The EHR shows whose record is open by itself.")
def launch(
    client: str,
    patient: str,
    encounter: str,
    user: str,
    context: tuple[str, ...],
    ehr_banner: bool,
) -> None:
    """Prepare the launch of an app, as an EHR would: open the printed url within ten minutes, once.

    \b
    Example:
      launch --client 0d9f… --patient 'https://stmary.example/mrn|12345'
    """
    with opened() as house:
        wanted = launches.Wanted(client, patient, encounter, user, context, ehr_banner)
        made = launches.make(house, wanted, now=clock.now())
    show({"url": made.url, "launch": made.value})


@click.group(short_help="The keys that sign id_tokens.")
def keys() -> None:
    """The keys that sign id_tokens."""


@keys.command("rotate")
def keys_rotate() -> None:
    """Sign with a new key from now on. The old one stays published for a day."""
    with opened() as house:
        show({"kid": signing.rotate(house, now=clock.now())})
