"""What the server can do, for apps that look first: `.well-known/smart-configuration`."""

from typing import Any

from flask import Response

from server.flows import resources
from server.flows.keys import KEY_TYPES
from server.flows.sites import House
from server.web import oauth
from server.web.oauth_clients import ASSERTION
from server.web.oauth_grants import BackendGrant
from server.web.replies import plain_json
from server.web.routes import Call, Public, Route

ADDRESS = "/fhir/.well-known/smart-configuration"
# Argonaut SMART Imaging Access: this base serves ImagingStudy, and DICOMweb takes the same token.
IMAGING = "smart-imaging-access"
IMAGING_BACKEND = "http://fhir.org/argonaut/smart-imaging/capabilities/backend-services"

# STOW-RS: what a gateway or a modality needs to hand images in.
STORING = "system/ImagingStudy.c"


def scopes_supported() -> list[str]:
    """The scopes that a client can be granted today, in both spellings."""
    types = ("*", *resources.TYPES)
    reading = [f"system/{type_}.{access}" for access in ("rs", "read") for type_ in types]
    return [*reading, STORING]


def document(house: House) -> dict[str, Any]:
    """The SMART configuration (SMART App Launch 2.2, conformance): only what works today."""
    base = house.config.base
    methods = {"auth_methods": [ASSERTION], "auth_signing_alg_values": [*KEY_TYPES]}
    endpoints = {
        "token_endpoint": base + oauth.TOKEN,
        "introspection_endpoint": base + oauth.INTROSPECT,
        "revocation_endpoint": base + oauth.REVOKE,
    }
    supported = {
        f"{endpoint}_{what}_supported": values
        for endpoint in endpoints
        for what, values in methods.items()
    }
    return {
        **endpoints,
        **supported,
        "grant_types_supported": [BackendGrant.GRANT_TYPE],
        "scopes_supported": scopes_supported(),
        "capabilities": [
            "client-confidential-asymmetric",
            "permission-v1",
            "permission-v2",
            IMAGING,
            IMAGING_BACKEND,
        ],
    }


def smart_configuration(call: Call) -> Response:
    """The SMART configuration, as JSON whatever the request accepts."""
    response = plain_json(document(call.house))
    response.headers["Cache-Control"] = "max-age=60"
    return response


ROUTES = (
    Route(
        ADDRESS,
        ("GET",),
        "fhir",
        Public("apps read it before they have a token"),
        smart_configuration,
        "SMART configuration",
    ),
)
