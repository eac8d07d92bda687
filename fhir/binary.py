"""Binary (R4): a document that a report points to. Its bytes are kept apart and added when read."""

from typing import Any

from fhir.codes import TAGS, coded

Json = dict[str, Any]
WITHDRAWN = coded(TAGS, "withdrawn")


def build(*, id: str, content_type: str, about: str) -> Json:
    """The Binary of a document; whoever may read `about` ("DiagnosticReport/x") may read it."""
    return {
        "resourceType": "Binary",
        "id": id,
        "contentType": content_type,
        "securityContext": {"reference": about},
    }


def withdrawn(body: Json) -> Json:
    """A Binary whose document was wrong: it is gone, but for staff."""
    return body | {"meta": {"tag": [WITHDRAWN]}}


def is_withdrawn(body: Json) -> bool:
    """Whether a Binary's document was withdrawn."""
    return WITHDRAWN in body.get("meta", {}).get("tag", [])
