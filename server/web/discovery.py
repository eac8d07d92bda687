"""What the server can do, for apps that look first: SMART and OpenID configuration, keys, styles."""

from typing import Any

from flask import Response

from server import clock
from server.flows import resources, signing
from server.flows.consent import CATEGORIES, WORDS
from server.flows.keys import KEY_TYPES
from server.flows.sites import House
from server.web import apps, authorize, oauth, registration
from server.web.oauth_clients import ASSERTION, EVERY, SECRET
from server.web.oauth_grants import STYLE, BackendGrant, CodeGrant, RefreshGrant
from server.web.replies import plain_json
from server.web.routes import Call, Public, Route

ADDRESS = "/fhir/.well-known/smart-configuration"
OPENID = "/.well-known/openid-configuration"
JWKS = "/oauth/jwks"
# Argonaut SMART Imaging Access: this base serves ImagingStudy, and DICOMweb takes the same token.
IMAGING = "smart-imaging-access"
IMAGING_APP = "http://fhir.org/argonaut/smart-imaging/capabilities/app-launch"
IMAGING_BACKEND = "http://fhir.org/argonaut/smart-imaging/capabilities/backend-services"
CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
    IMAGING,
    IMAGING_APP,
    IMAGING_BACKEND,
)

# STOW-RS: what a gateway or a modality needs to hand images in.
STORING = "system/ImagingStudy.c"


def scopes_supported() -> list[str]:
    """The scopes that a client can be granted today, in both spellings; what is not searched has no s."""
    types = ("*", *resources.TYPES)
    reading = [
        f"{context}/{type_}.{access}"
        for context in ("patient", "user", "system")
        for type_ in types
        for access in ("r" if type_ in resources.READ_ONLY else "rs", "read")
    ]
    parts = [
        f"patient/{type_}.rs?category={category}"
        for type_ in resources.TYPES
        for category in CATEGORIES.get(type_, ())
    ]
    return [*WORDS, *reading, *parts, STORING]


def document(house: House) -> dict[str, Any]:
    """The SMART configuration (SMART App Launch 2.2, conformance): only what works today."""
    base = house.config.base
    endpoints = {
        "token_endpoint": EVERY,
        "introspection_endpoint": [ASSERTION, *SECRET],
        "revocation_endpoint": EVERY,
    }
    methods = {f"{name}_auth_methods_supported": values for name, values in endpoints.items()}
    signing_ = {f"{name}_auth_signing_alg_values_supported": [*KEY_TYPES] for name in endpoints}
    return {
        "issuer": base,
        "jwks_uri": base + JWKS,
        "authorization_endpoint": base + authorize.AUTHORIZE,
        "token_endpoint": base + oauth.TOKEN,
        "introspection_endpoint": base + oauth.INTROSPECT,
        "revocation_endpoint": base + oauth.REVOKE,
        "registration_endpoint": base + registration.REGISTER,
        "management_endpoint": base + apps.APPS,
        **methods,
        **signing_,
        "grant_types_supported": [
            one.GRANT_TYPE for one in (CodeGrant, RefreshGrant, BackendGrant)
        ],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": scopes_supported(),
        "capabilities": [*CAPABILITIES],
    }


def openid(house: House) -> dict[str, Any]:
    """The OpenID configuration (OpenID Connect Discovery 3)."""
    found = document(house)
    del found["capabilities"], found["management_endpoint"]
    return found | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [signing.ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "fhirUser"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    }


def _kept(body: dict[str, Any], seconds: int = 60) -> Response:
    response = plain_json(body)
    response.headers["Cache-Control"] = f"max-age={seconds}"
    return response


def smart_configuration(call: Call) -> Response:
    """The SMART configuration, as JSON whatever the request accepts."""
    return _kept(document(call.house))


def openid_configuration(call: Call) -> Response:
    """The OpenID configuration."""
    return _kept(openid(call.house))


def jwks(call: Call) -> Response:
    """The public keys of our id_tokens."""
    return _kept(signing.published(call.house, now=clock.now()))


def style(call: Call) -> Response:
    """How apps may look to match our pages (SMART App Launch 2.2, styling)."""
    return _kept(
        {
            "color_background": "#ffffff",
            "color_error": "#8c0019",
            "color_highlight": "#0b5394",
            "color_modal_backdrop": "",
            "color_success": "#1b6e3c",
            "color_text": "#1b1b1b",
            "dim_border_radius": "4px",
            "dim_font_size": "17px",
            "dim_spacing_size": "16px",
            "font_family_body": "system-ui, sans-serif",
            "font_family_heading": "system-ui, sans-serif",
        },
        3600,
    )


_WHY = Public("apps read it before they have a token")
ROUTES = (
    Route(ADDRESS, ("GET",), "fhir", _WHY, smart_configuration, "SMART configuration"),
    Route(STYLE, ("GET",), "fhir", _WHY, style, "SMART styles"),
    Route(OPENID, ("GET",), "oauth", _WHY, openid_configuration, "OpenID configuration"),
    Route(JWKS, ("GET",), "oauth", _WHY, jwks, "Keys of id_tokens"),
)
