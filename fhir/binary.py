"""Binary (R4): the bytes of a document that a report points to."""

from base64 import b64encode
from typing import Any


def build(*, id: str, content_type: str, data: bytes, about: str) -> dict[str, Any]:
    """The Binary of a document; whoever may read `about` ("DiagnosticReport/x") may read it."""
    return {
        "resourceType": "Binary",
        "id": id,
        "contentType": content_type,
        "securityContext": {"reference": about},
        "data": b64encode(data).decode(),
    }
