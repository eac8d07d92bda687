"""Tokens and clients made beside a running server, in this process: quicker than its commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from server import clock
from server.flows import accounts, clients, grants, parties
from server.flows.accounts import Account, Wanted
from server.flows.clients import APP_SCOPES, Client
from server.flows.sites import House
from tests.support import logs
from tests.support.backend import Backend, jwks
from tests.support.houses import opened
from tests.support.server import Server
from tests.support.smart_app import LAUNCH, PASSWORD, REDIRECT


@dataclass(slots=True)
class Keyring:
    """Makes what a server's operator would make."""

    server: Server
    house: House

    def token(self, scope: str, patient: str = "", organisation: str = "home") -> str:
        """What `token` prints."""
        issued = grants.for_script(
            self.house, scope, patient=patient, organisation=organisation, now=clock.now()
        )
        return logs.keep_out(issued.token)

    def backend(self, reach: str, scope: str = "system/*.rs", *origins: str) -> Backend:
        """What `client add --type backend` makes; an EHR's pages are at `origins`."""
        wanted = Client(
            id="",
            organisation=0,
            name="peer",
            kind="backend",
            scope=scope,
            reach=reach,
            frame_origins=origins,
            jwks=jwks(),
        )
        made, _ = clients.add(self.house, wanted, "home", now=clock.now())
        return Backend(self.server, made.id)

    def app(self, kind: str = "public", **more: Any) -> tuple[str, str]:
        """What `client add` makes of an app: its id, and its secret if it has one."""
        given = {"scope": APP_SCOPES, "redirect_uris": (REDIRECT,), "launch_uri": LAUNCH} | more
        owner, name = given.pop("organisation", "home"), given.pop("name", "app")
        wanted = Client(id="", organisation=0, name=name, kind=kind, **given)
        made, secret = clients.add(self.house, wanted, owner, now=clock.now())
        return made.id, secret

    def viewer(self, organisation: str = "home") -> str:
        """What `client add --type viewer` makes: its id."""
        made, _ = clients.add(self.house, clients.viewer("Viewer"), organisation, now=clock.now())
        return made.id

    def user(self, name: str, role: str, *patients: str, organisation: str = "home") -> Account:
        """What `user add` makes, with the password of all tests."""
        wanted = Wanted(name, role, organisation, patients, password=PASSWORD)
        made, _ = accounts.add(self.house, wanted, now=clock.now())
        return made

    def group(self, name: str, *patients: str) -> None:
        """What `group add` makes."""
        parties.add_group(self.house, name, "home", patients, now=clock.now())


@contextmanager
def keyring(server: Server) -> Iterator[Keyring]:
    """The keys of a running server, for the length of a block."""
    named = ("BASE_URL", "ISSUER", "ZONE", "SETTLE_SECONDS")
    given = {name: server.environment.get(f"TRIPTYCH_{name}", "") for name in named}
    settings = {name: value for name, value in given.items() if value}
    settings = {"BASE_URL": server.base} | settings
    with opened(server.data, **settings) as house:
        yield Keyring(server, house)
