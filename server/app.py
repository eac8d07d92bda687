"""Wires the route table to Flask: guard, handler, errors, audit, in one place."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from dicom.errors import DicomError
from fhir.errors import FhirError
from server import errors
from server.errors import BadMethod, Fault, Invalid, Missing
from server.flows.sites import House
from server.web import (
    account,
    apps,
    authorize,
    cors,
    desk_audit,
    desk_health,
    desk_links,
    desk_messages,
    desk_pages,
    desk_patients,
    desk_reviews,
    dicomweb,
    discovery,
    egress,
    fhir_api,
    guard,
    health,
    health_link,
    launched,
    launching,
    login,
    metrics,
    oauth,
    openapi,
    registration,
    replies,
    second_step,
    setup,
    share,
    shared,
    sharing,
    stow,
    viewer,
)
from server.web.proxies import Forwarded
from server.web.routes import Call, Route

log = logging.getLogger(__name__)

_ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *metrics.ROUTES,
    *oauth.ROUTES,
    *authorize.ROUTES,
    *login.ROUTES,
    *second_step.ROUTES,
    *setup.ROUTES,
    *account.ROUTES,
    *apps.ROUTES,
    *launching.ROUTES,
    *registration.ROUTES,
    *sharing.ROUTES,
    *share.ROUTES,
    *health_link.ROUTES,
    *shared.ROUTES,
    *discovery.ROUTES,
    *fhir_api.ROUTES,
    *dicomweb.ROUTES,
    *stow.ROUTES,
    *viewer.ROUTES,
    *launched.ROUTES,
    *desk_pages.ROUTES,
    *desk_patients.ROUTES,
    *desk_links.ROUTES,
    *desk_reviews.ROUTES,
    *desk_messages.ROUTES,
    *desk_audit.ROUTES,
    *desk_health.ROUTES,
)
ROUTES = (*_ROUTES, openapi.route(_ROUTES))


class _App(Flask):
    """Flask, but for its log: an address may hold the secret of a link, and is not written down.

    Nor is it asked with each request what never changes: no view is a coroutine, and no route
    depends on a host.
    """

    def log_exception(self, exc_info: Any) -> None:
        log.error("%s %s failed", request.method, request.url_rule, exc_info=exc_info)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return None
        return self.url_map.bind("", default_method=request.method, path_info=request.path)


def create_app(house: House, routes: Sequence[Route] = ROUTES) -> Flask:
    """The WSGI application over one house."""
    # Named after the product, which installed is a folder without a file of its own.
    app = _App("triptych", static_folder=None, root_path=str(Path(__file__).parent))
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for route in routes:
        _register(app, house, route)
    app.register_error_handler(HTTPException, _unrouted)
    app.after_request(replies.secure)
    cors.install(app, house)
    app.wsgi_app = egress.Counter(app.wsgi_app, house)  # type: ignore[method-assign]
    if house.config.proxies:
        app.wsgi_app = Forwarded(app.wsgi_app, house.config.proxies)  # type: ignore[method-assign]
    return app


def _register(app: Flask, house: House, route: Route) -> None:
    def view(**path: str) -> Response:
        return _answer(house, route, path)

    app.add_url_rule(route.rule, route.name, view, methods=[*route.methods])


def _answer(house: House, route: Route, path: dict[str, str]) -> Response:
    """Guard, then handler; every error leaves in the terms of the door."""
    grant = None
    egress.asks(route)
    try:
        grant = guard.admit(house, route, path)
        call = Call(house, route, grant, path)
        response = route.handler(call)
        egress.mark(call, response)
        return response
    except (Fault, DicomError, FhirError) as error:
        fault = _fault(error)
        guard.refused(house, route, grant, fault)
        return replies.failure(fault, route.door)
    except HTTPException as error:
        return _unrouted(error)
    except Exception:  # outermost loop: the caller gets an answer, the log gets the trace
        log.exception("%s %s failed", request.method, route.rule)
        return replies.failure(Fault("the server failed; the log says why"), route.door)


def _fault(error: Exception) -> Fault:
    """The product's error for one of any floor."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, DicomError):
        return errors.from_dicom(error)
    code, where = getattr(error, "code", ""), getattr(error, "expression", "")
    return Invalid(str(error), expression=where, issue=code)


def _door(path: str) -> str:
    known = ("oauth", "desk")
    return next((door for door in known if path.startswith(f"/{door}")), "fhir")


def _unrouted(error: Any) -> Response:
    """What Flask itself refuses: an unknown address, a wrong method, a body beyond its limit."""
    fault: Fault = Missing("there is nothing at this address")
    if error.code == 405:
        fault = BadMethod(f"this address does not take {request.method}")
    elif error.code not in (404, None):
        fault = Invalid(error.description or "the request cannot be understood")
    response = replies.failure(fault, _door(request.path))
    if error.code == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response
