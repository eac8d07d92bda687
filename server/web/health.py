"""Is the server alive, and can it do its work?"""

import os

from flask import Response

from server.errors import Busy
from server.flows.operate import schema_version
from server.web.replies import plain_json
from server.web.routes import Call, Public, Route


def live(_call: Call) -> Response:
    """This process answers."""
    return plain_json({"status": "live"})


def ready(call: Call) -> Response:
    """The database answers and the blob folder can be written."""
    if schema_version(call.house) is None:
        raise Busy("the database has no tables yet: start `serve`, which makes them")
    if not os.access(call.house.blobs.root, os.W_OK):
        raise Busy("the blob folder cannot be written")
    return plain_json({"status": "ready"})


ROUTES = (
    Route("/livez", ("GET",), "ops", Public("probes have no token"), live, "Liveness"),
    Route("/readyz", ("GET",), "ops", Public("probes have no token"), ready, "Readiness"),
)
