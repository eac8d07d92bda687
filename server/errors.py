"""What can go wrong, in one tree, and what each door says of it, in one table.

Fault (500)                something of ours broke
├── Invalid (400)          the request cannot be understood
│   ├── Unprocessable (422)  understood, and breaks a rule
│   ├── TooLarge (413)       beyond a configured limit
│   ├── NotAcceptable (406)  we cannot answer in the form asked for
│   ├── BadMedia (415)       we cannot read the form that was sent
│   └── BadMethod (405)      the address does not know this method
├── Unauthenticated (401)  no usable credentials
├── Denied (403)           known, and not allowed
├── Missing (404)          unknown here
├── Gone (410)             was here, and was withdrawn
├── Conflict (409)         contradicts what is stored
├── Stale (412)            a precondition failed
├── Busy (503)             try again later
└── Full (507)             no room left
"""

from dataclasses import dataclass

from dicom import errors as dicom_errors
from fhir.outcome import Issue


@dataclass(frozen=True, slots=True)
class Answer:
    """How one kind of error is told: HTTP status, FHIR issue type, DIMSE status, to a patient."""

    http: int
    issue: str
    dimse: int
    patient: str


class Fault(Exception):
    """The root. `expression` is a FHIRPath, a parameter or a tag; `retry` is in seconds.

    `issue` is an R4 issue type that says more than the one of the table. `issues` are all that is
    wrong, where more than one thing is.
    """

    answer = Answer(500, "exception", 0x0110, "Something went wrong on our side. Please try again.")

    def __init__(
        self,
        message: str,
        *,
        expression: str = "",
        retry: int = 0,
        issue: str = "",
        issues: tuple[Issue, ...] = (),
    ) -> None:
        super().__init__(message)
        self.expression = expression
        self.retry = retry
        self.issue = issue or self.answer.issue
        self.issues = issues


class Invalid(Fault):
    answer = Answer(400, "invalid", 0xC000, "This address or form is not complete.")


class Unprocessable(Invalid):
    answer = Answer(422, "processing", 0xC000, "What was sent breaks a rule.")


class TooLarge(Invalid):
    answer = Answer(413, "too-costly", 0xA700, "This is larger than we can take.")


class NotAcceptable(Invalid):
    answer = Answer(406, "not-supported", 0xC000, "We cannot show this in the form asked for.")


class BadMedia(Invalid):
    answer = Answer(415, "not-supported", 0xC000, "We cannot read this kind of file.")


class BadMethod(Invalid):
    answer = Answer(405, "not-supported", 0x0211, "This address does not work that way.")


class Unauthenticated(Fault):
    answer = Answer(401, "login", 0x0124, "Please sign in first.")


class Denied(Fault):
    answer = Answer(403, "forbidden", 0x0124, "You may not see this.")


class Missing(Fault):
    answer = Answer(404, "not-found", 0x0112, "We do not have this.")


class Gone(Fault):
    answer = Answer(410, "deleted", 0x0112, "This was withdrawn.")


class Conflict(Fault):
    answer = Answer(409, "conflict", 0x0111, "This contradicts what we already have.")


class Stale(Fault):
    answer = Answer(412, "conflict", 0x0110, "This was changed in the meantime. Please reload.")


class Busy(Fault):
    answer = Answer(503, "transient", 0xA700, "We are busy. Please try again in a moment.")


class Full(Fault):
    answer = Answer(507, "no-store", 0xA700, "We have no room left. Please tell the hospital.")


LOWER: tuple[tuple[type[Exception], type[Fault], int], ...] = (
    (dicom_errors.TooLarge, TooLarge, 0xA700),
    (dicom_errors.Mismatch, Unprocessable, 0xA900),
    (dicom_errors.Incomplete, Unprocessable, 0xA900),
    (dicom_errors.Undecodable, NotAcceptable, 0xC000),
    (dicom_errors.DicomError, Invalid, 0xC000),
)


def from_dicom(error: dicom_errors.DicomError) -> Fault:
    """The product's error for one of the DICOM floor's."""
    kind = next(ours for theirs, ours, _ in LOWER if isinstance(error, theirs))
    return kind(str(error), expression=error.where)


def dimse_status(error: Exception) -> int:
    """The DIMSE status for an error of any floor (PS3.4 B.2.3, PS3.7 annex C)."""
    if isinstance(error, Fault):
        return error.answer.dimse
    return next((code for kind, _, code in LOWER if isinstance(error, kind)), 0x0110)
