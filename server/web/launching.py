"""`POST /oauth/launch`: an EHR prepares the launch of an app for the patient whom it has open."""

from flask import Response

from server import clock
from server.errors import Invalid, Unauthenticated
from server.flows import clients, launches
from server.flows.clients import Client
from server.flows.launches import Wanted
from server.web.oauth import Server, answering
from server.web.oauth_clients import ASSERTION, SECRET, FormRequest
from server.web.replies import plain_json
from server.web.routes import Call, Public, Route

LAUNCH = "/oauth/launch"


def launch(call: Call) -> Response:
    """The address to open, for a client whose scopes hold `launch`: by assertion or bearer token."""
    return answering(call, _launch)


def _launch(server: Server, asked: FormRequest) -> Response:
    form = asked.form
    wanted = Wanted(
        client=form.get("client", ""),
        patient=form.get("patient", ""),
        encounter=form.get("encounter", ""),
        user=form.get("user", ""),
        context=tuple(form.get("context", "").split()),
        ehr_banner=not _flag(form, "need_patient_banner", True),
    )
    by = caller(server, asked)
    made = launches.make(server.house, wanted, by=by, now=clock.now())
    response = plain_json({"url": made.url, "launch": made.value}, 201)
    response.headers["Cache-Control"] = "no-store"
    return response


def _flag(form: dict[str, str], name: str, usual: bool) -> bool:
    """A field that is true or false, or not there. Raises Invalid for any other word."""
    word = form.get(name, str(usual).lower())
    if word not in ("true", "false"):
        raise Invalid(f"{name} is true or false", expression=name)
    return word == "true"


def caller(server: Server, asked: FormRequest) -> Client:
    """The client that asks, by its assertion, its secret, or a token of its own."""
    bearer = server.bearer(asked)
    if bearer is None:
        asked.client = server.authenticate_client(asked, [ASSERTION, *SECRET], "launch")
        known: Client = asked.client.client
        return known
    found = clients.find(server.house, bearer.client)
    if found is None or bearer.context != "system":
        raise Unauthenticated("this token is not of a client that acts for itself")
    return found


_WHY = "clients prove who they are in the request itself"
ROUTES = (Route(LAUNCH, ("POST",), "oauth", Public(_WHY), launch, "Launch an app"),)
