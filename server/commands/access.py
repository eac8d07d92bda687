"""`organisation`, `group`, `client`, `peer` and `token`: who takes part, and who may."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import click

from server import clock
from server import config as settings
from server.errors import Invalid
from server.flows import clients, founding, grants, operate, parties
from server.flows.clients import APP_SCOPES, KINDS, Client
from server.flows.parties import SERVICES, PeerEntry
from server.flows.sites import House, address, open_house

_PEER_MAY = ",".join(service for service in SERVICES if service != "worklist")
_belongs = click.option(
    "--organisation", default="home", show_default=True, help="The organisation it belongs to."
)


@contextmanager
def opened() -> Iterator[House]:
    """The stores for one command, made if this is the first; the audit ends signed."""
    house = open_house(settings.load(), "command")
    try:
        if operate.schema_version(house) is None:
            founding.prepare(house, clock.now())
        yield house
        house.auditor.tend()
    finally:
        house.close()


def show(answer: Mapping[str, object]) -> None:
    """Print the one JSON object that a command answers with."""
    click.echo(json.dumps(answer, ensure_ascii=False))


@click.group(short_help="Hospitals that share this server.")
def organisation() -> None:
    """Hospitals and practices that share this server; `home` is there from the start."""


@organisation.command("add")
@click.argument("name")
@click.option(
    "--issuer",
    "issuers",
    multiple=True,
    metavar="NAMESPACE=SYSTEM",
    help="The system URI that a namespace of its patient numbers stands for; may be repeated. "
    "SYSTEM alone is for numbers that arrive without a namespace.",
)
@click.option("--zone", default="", help="Time zone of its equipment, as Europe/Madrid.")
@click.option("--charset", default="", help="Character set of HL7 messages without MSH-18.")
@click.option("--realm", default="", help="Country whose profiles count, as us (US Core).")
def organisation_add(
    name: str, issuers: tuple[str, ...], zone: str, charset: str, realm: str
) -> None:
    """Make an organisation with patient numbers of its own.

    \b
    Example:
      organisation add "St Mary" --zone Europe/London \\
        --issuer https://stmary.example/mrn --issuer EAST=https://east.example/mrn
    """
    default, table = _issuers(issuers)
    more = {"zone": zone, "charset": charset, "realm": realm}
    with opened() as house:
        made = parties.add_organisation(
            house, name, issuer=default, issuers=table, now=clock.now(), **more
        )
    show({"organisation": name, "id": made, "issuer": default, "issuers": table, **more})


def _issuers(texts: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The default system, and the systems by namespace. A namespace holds no colon: URIs do."""
    default, table = "", dict[str, str]()
    for text in texts:
        namespace, equals, system = text.partition("=")
        if equals and ":" not in namespace:
            table[namespace] = system
        elif default:
            raise Invalid(f"--issuer {text}: there can be one SYSTEM without a NAMESPACE")
        else:
            default = text
    return default, table


@click.group(short_help="Groups of patients, for backend clients.")
def group() -> None:
    """Groups of patients, for clients that may reach some and not all."""


@group.command("add")
@click.argument("name")
@click.option(
    "--patient",
    "patients",
    multiple=True,
    required=True,
    metavar="ID",
    help="A Patient id, or a number as system|value; may be repeated.",
)
@_belongs
def group_add(name: str, patients: tuple[str, ...], organisation: str) -> None:
    """Put patients into a group; a new name makes a new group.

    Tokens that were issued before keep the patients that they had.

    \b
    Example:
      group add trial-7 --patient 'https://stmary.example/mrn|12345' \\
        --patient hlmfg5wkznxqzb4qxlvt5wyv2q
    """
    with opened() as house:
        members = parties.add_group(house, name, organisation, patients, now=clock.now())
    show({"group": name, "organisation": organisation, "patients": members})


@click.group(short_help="Programs that may ask for tokens.")
def client() -> None:
    """Programs that may ask for access tokens."""


@client.command("add")
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(KINDS), required=True, help="See above.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, help="Where a login ends; may be repeated."
)
@click.option("--launch-uri", default="", help="Where an EHR starts the app.")
@click.option(
    "--frame-origin",
    "frame_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Where an EHR's pages are, which may show ours in a frame; may be repeated.",
)
@click.option(
    "--scope",
    multiple=True,
    help="The most that it may be granted; may be repeated. Without it an app may have: "
    f"{APP_SCOPES}; and a backend nothing.",
)
@click.option("--jwks", type=click.File("r"), help="File with its public keys, a JWK Set.")
@click.option("--jwks-uri", default="", help="Address of its JWK Set: https, or loopback.")
@click.option(
    "--reach", default="", metavar="all|group:G|patient:ID", help="Whom a backend may reach."
)
@_belongs
def client_add(
    name: str,
    kind: str,
    scope: tuple[str, ...],
    jwks: IO[str] | None,
    organisation: str,
    **given: Any,
) -> None:
    """Register a client and print its client_id.

    A backend is a service without a user: it signs its token requests with a private key (RS384
    or ES384) and reaches whom --reach says, within --scope; with the scope `launch` it may start
    apps, as an EHR, and with `vouch` it says who is signed in there, so that a viewer asks for no
    second login. Apps with users, public or confidential, get what their user allows. A
    confidential one without keys gets a client_secret, printed once. A viewer is our own, which an
    EHR launches; it needs a name alone.

    \b
    Example:
      client add research --type backend --jwks keys.json \\
        --scope 'system/ImagingStudy.rs system/Patient.r' --reach group:trial-7
    """
    keys = jwks.read() if jwks else ""
    with opened() as house:
        wanted = _wanted(name, kind, " ".join(scope), jwks=keys, **given)
        made, secret = clients.add(house, wanted, organisation, now=clock.now())
        started = address(house) + made.launch_uri if kind == clients.VIEWER else ""
    if kind == "backend" and not (made.scope and made.reach):
        click.echo("note: without --scope and --reach this client gets no token", err=True)
    answer = {"client_id": made.id, "name": name, "type": kind, "scope": made.scope}
    show(answer | _filled(reach=made.reach, client_secret=secret, launch_uri=started))


def _wanted(name: str, kind: str, scope: str, **given: Any) -> Client:
    """The client that the options tell of. Raises Invalid for a viewer with more than a name."""
    if kind == clients.VIEWER:
        if scope or any(given.values()):
            raise Invalid("a viewer has addresses and scopes of its own: give its name alone")
        return clients.viewer(name)
    ceiling = scope or ("" if kind == "backend" else APP_SCOPES)
    return Client(id="", organisation=0, name=name, kind=kind, scope=ceiling, **given)


@client.command("secret")
@click.argument("client_id")
@click.option(
    "--keep", default=24, show_default=True, metavar="HOURS", help="How long the old one is good."
)
def client_secret(client_id: str, keep: int) -> None:
    """Give a confidential client another client_secret, printed once.

    The old one is good for --keep hours more, so that all of the app's servers can change over; after
    a leak say --keep 0. Tokens that were given stay as they are.

    \b
    Example:
      client secret 0d9f… --keep 48
    """
    with opened() as house:
        secret, until = clients.renew_secret(house, client_id, keep, now=clock.now())
    show({"client_id": client_id, "client_secret": secret, "former_until": clock.instant(until)})


def _filled(**values: str) -> dict[str, str]:
    """The members of an answer that have something to say."""
    return {name: value for name, value in values.items() if value}


@click.group(short_help="Other DICOM systems.")
def peer() -> None:
    """Other DICOM systems."""


@peer.command("add")
@click.argument("ae")
@click.argument("host")
@click.argument("port", type=int)
@_belongs
@click.option("--issuer", default="", help="System URI of patient numbers that it sends without.")
@click.option("--may", default=_PEER_MAY, show_default=True, help="What it may do, by commas.")
def peer_add(ae: str, host: str, port: int, organisation: str, issuer: str, may: str) -> None:
    """Let the DICOM system with a title AE at HOST associate; PORT is where it listens.

    Adding the same AE and HOST again replaces what stood there.

    \b
    Example:
      peer add CT1 10.20.0.17 104 --issuer https://stmary.example/mrn --may echo,store
    """
    services = tuple(dict.fromkeys(word.strip() for word in may.split(",") if word.strip()))
    entry = PeerEntry(ae, host, port, organisation, issuer, services)
    with opened() as house:
        parties.put_peer(house, entry, now=clock.now())
    show(
        {
            "ae": ae,
            "host": host,
            "port": port,
            "organisation": organisation,
            "issuer": issuer,
            "may": list(services),
        }
    )


@click.command()
@click.option("--scope", required=True, help="SMART scopes, all patient/ or all system/.")
@click.option("--patient", default="", metavar="ID", help="A Patient id, or system|value.")
@click.option(
    "--ttl",
    type=int,
    default=grants.LONGEST_SCRIPT,
    show_default=True,
    metavar="SECONDS",
    help=f"How long it lives: at most {grants.LONGEST_SCRIPT}.",
)
@click.option("--reason", default="", help="For the audit; required beyond loopback.")
@_belongs
def token(scope: str, patient: str, ttl: int, reason: str, organisation: str) -> None:
    """Print an access token for scripts on this machine.

    patient/ scopes reach the one --patient, system/ scopes everyone of the organisation; user/
    scopes need a person, and are refused. Every token is audited.

    \b
    Examples:
      token --scope 'patient/*.rs' --patient 'https://stmary.example/mrn|12345'
      curl -H "Authorization: Bearer $(triptych token --scope system/ImagingStudy.rs \\
        | jq -r .access_token)" http://127.0.0.1:8080/fhir/ImagingStudy
    """
    with opened() as house:
        issued = grants.for_script(
            house,
            scope,
            patient=patient,
            organisation=organisation,
            seconds=ttl,
            reason=reason,
            now=clock.now(),
        )
    answer = {"access_token": issued.token, "token_type": "Bearer", "expires_in": issued.seconds}
    show(answer | _filled(scope=issued.scope, patient=issued.patient))
