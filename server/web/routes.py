"""What a route is. Every address of the server is one row, and every row says who may use it.

The access matrix of the tests and /openapi.json are made from these rows; a route that is not
a row cannot be registered.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response

from server.flows.access import Grant
from server.flows.sites import House


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody may; `why` says for what reason."""

    why: str


@dataclass(frozen=True, slots=True)
class Scoped:
    """A bearer token whose scopes allow `letter` (c r u d s) on `type`.

    The type `*` means the path's own `<type>`.
    """

    type: str
    letter: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The cookie of a browser that opened a Magic Link, which reaches `letter` on `type`."""

    type: str
    letter: str


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody who is signed in in this browser, and has one of these roles.

    For pages of staff, as those of the desk. The guard does it all before the handler runs: who is
    not signed in is sent to the login page and comes back; who has another role is refused (403);
    and a form that no page of ours made for this browser is refused too (CSRF), so a handler may
    read `request.form` at once. `call.who` is the Grant: its `organisation`, `role`, `account` (the
    id of the person) and `id` (the session) are what flows and the audit ask for; a flow calls
    `access.in_role(grant, "operator")` again, as the gate. What a form of such a page carries is
    `<input type="hidden" name="csrf" value="{{ csrf }}">` with `browser.visit(call.house).token`,
    which `pages.page` puts in by itself.
    """

    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a handler gets it. `grant` is None on public routes only."""

    house: House
    route: "Route"
    grant: Grant | None
    path: dict[str, str]

    @property
    def who(self) -> Grant:
        """The caller's grant, on a route that has one."""
        if self.grant is None:
            raise RuntimeError("a public route has no grant")
        return self.grant


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One address: Flask rule, methods, the door it belongs to, who may, and what answers.

    `door` is fhir, dicomweb, oauth, login, desk, link, ops or apps; it decides the form of errors
    and goes into the audit. What may stand in a frame of a registered EHR has `frames`.
    """

    rule: str
    methods: tuple[str, ...]
    door: str
    access: Public | Scoped | Linked | Signed
    handler: Handler
    summary: str
    frames: bool = False

    @property
    def name(self) -> str:
        """A unique Flask endpoint."""
        return f"{self.door}:{'+'.join(self.methods)}:{self.rule}"
