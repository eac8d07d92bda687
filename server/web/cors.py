"""Which web pages may call us (CORS, Fetch standard 3.2): any page reads what we can do, and opens a
SMART Health Link; the pages of registered apps use everything else. No cookie counts: a page needs a token of its own.
"""

from flask import Flask, Response, request

from server.flows import clients, health_link
from server.flows.sites import House
from server.web import discovery

PUBLIC = frozenset({"/fhir/metadata", *(route.rule for route in discovery.ROUTES)})
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Prefer, Range, "
    "If-Match, If-None-Match, If-None-Exist, If-Modified-Since, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "ETag, Location, Content-Location, Last-Modified, Retry-After, X-Request-Id"


def install(app: Flask, house: House) -> None:
    """Answer preflights before any token is asked for, and mark answers that pages may read."""

    def preflight() -> Response | None:
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204, headers=_PREFLIGHT) if asked else None

    def share(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is None:
            return response
        if request.path in PUBLIC or request.path.startswith(f"{health_link.PATH}/"):
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            response.vary.add("Origin")
            if origin in clients.origins(house):
                response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        return response

    app.before_request(preflight)
    app.after_request(share)
