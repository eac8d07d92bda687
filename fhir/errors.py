"""What can be wrong with FHIR that arrives.

FhirError
├── Malformed      the text is not a FHIR resource in JSON
├── BadDate        a date or time that the calendar or the R4 formats do not know
├── BadNumber      a number that is none, or longer than anybody needs
├── BadPatch       a JSON Patch that is none, or that the resource does not fit
├── BadScope       an OAuth scope that is not a SMART scope
└── BadSearch      a search parameter, modifier, prefix or value that cannot be answered
"""


class FhirError(Exception):
    """Bad FHIR input: `code` is an R4 issue-type, `expression` a FHIRPath or a parameter name."""

    def __init__(self, message: str, *, code: str = "invalid", expression: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.expression = expression


class Malformed(FhirError):
    """The text cannot be read as one FHIR resource."""


class BadDate(FhirError):
    """Not a date, dateTime or instant of R4 2.24.0.1, or a day that does not exist."""


class BadNumber(FhirError):
    """Not a decimal of R4 2.24.0.1."""


class BadPatch(FhirError):
    """Not a patch of RFC 6902, or one that fails; `expression` is a JSON Pointer."""


class BadScope(FhirError):
    """Not a SMART App Launch 2.2 resource scope."""


class BadSearch(FhirError):
    """A search that cannot be answered; `expression` is the parameter as the client wrote it."""
