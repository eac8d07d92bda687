"""What can be wrong with DICOM that arrives, and how a door is told.

DicomError
├── Unreadable     not DICOM, cut short, or nested deeper than the limits allow
├── Incomplete     an identifying attribute is missing (SOP class, SOP instance, study, series)
│   └── MediaDirectory  a DICOMDIR: an index of files, itself no composite instance
├── Mismatch       the data set contradicts the command or the file meta that announced it
├── TooLarge       beyond a configured limit (bytes, frames, pixels, inflated size)
├── Malformed      a DICOMweb body, media type or Accept value breaks its grammar
└── Undecodable    the pixels cannot be decoded (no decoder, damaged stream, limits of the pool)
Refused            raised by a Sink: the DIMSE status and comment that the sender is to get
"""


class DicomError(Exception):
    """Bad DICOM input: `where` names a tag or byte offset, `expected` says what would be right."""

    def __init__(self, message: str, *, where: str = "", expected: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.expected = expected


class Unreadable(DicomError):
    """The bytes are not a DICOM data set that can be walked to its end (or to its pixels)."""


class Incomplete(DicomError):
    """A required identifying attribute is absent or empty."""


class MediaDirectory(Incomplete):
    """A DICOMDIR (PS3.10 8.6): nothing to store, but no fault of the sender's either."""


class Mismatch(DicomError):
    """Command, file meta and data set disagree about what this object is."""


class TooLarge(DicomError):
    """A configured limit was passed."""


class Malformed(DicomError):
    """What carries the DICOM over HTTP cannot be read (PS3.18 8.6, 8.7)."""


class Undecodable(DicomError):
    """No picture can be made of these pixels."""


class Refused(Exception):
    """A Sink's refusal in DIMSE terms (PS3.7 annex C, PS3.4 B.2.3).

    `status` is the 16-bit DIMSE status, `comment` goes into Error Comment (0000,0902): at most
    64 characters, no patient data.
    """

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment[:64]
