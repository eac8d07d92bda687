"""What can be wrong with HL7 v2 that arrives or that is to be sent.

Hl7Error
├── NotHL7         no MSH segment, or delimiters that cannot be used: nothing can be read
├── BadText        escape, Base64 or hexadecimal that cannot be decoded
└── NoReply        the other side hung up, stayed silent or answered something else
"""


class Hl7Error(Exception):
    """Bad HL7 v2: `where` names a field, `expected` says what would be right."""

    def __init__(self, message: str, *, where: str = "", expected: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.expected = expected


class NotHL7(Hl7Error):
    """The bytes are no HL7 v2 message in its vertical bar encoding (HL7 2.5.1 ch. 2.5)."""


class BadText(Hl7Error):
    """Encoded data of a field that do not decode (HL7 2.5.1 ch. 2.7, 2A.24)."""


class NoReply(Hl7Error):
    """A message was sent, and no acknowledgement that belongs to it came back."""
