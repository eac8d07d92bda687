"""Media types of DICOMweb: their parameters, and which representation a client is to get.

PS3.18 8.7 adds `type` and `transfer-syntax` to what RFC 9110 says of Accept.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dicom.errors import Malformed
from dicom.part10 import EXPLICIT_LITTLE

# The transfer syntax that is meant where a client names none (PS3.18 8.7.3.5).
_DEFAULTS = {
    "application/dicom": EXPLICIT_LITTLE,
    "application/octet-stream": EXPLICIT_LITTLE,
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_WORD}/{_WORD}|\*)\s*")
# Senders forget the quotes round type="application/dicom".
_PARAMETER = re.compile(rf';\s*(?:({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*)?')
_MOST_RANGES = 64
MULTIPART = "multipart/related"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, with its parameters by lower-case name."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A representation the server can give: of one part, or several parts of type `inner`.

    `transfer_syntax` is "" where there is none to speak of.
    """

    name: str
    inner: str = ""
    transfer_syntax: str = ""

    @property
    def content(self) -> str:
        """The type of the content itself, be it wrapped in parts or not."""
        return self.inner or self.name


@dataclass(frozen=True, slots=True)
class _Range:
    """One entry of an Accept header."""

    name: str
    inner: str
    transfer_syntax: str
    quality: float
    place: int

    @property
    def detail(self) -> int:
        """How exactly it speaks: the most exact range that fits decides (RFC 9110 12.5.1)."""
        exact = (
            not self.name.endswith("*"),
            bool(self.inner),
            self.transfer_syntax not in ("", "*"),
        )
        return 4 * (self.name not in ("*", "*/*")) + sum(exact)


def parse(text: str) -> MediaType:
    """A Content-Type value (RFC 9110 8.3.1). Raises Malformed."""
    media_type, end = _parse_at(text, 0)
    if text[end:].strip():
        raise Malformed("a media type that cannot be read", expected="type/subtype; name=value")
    return media_type


def _parse_at(text: str, start: int) -> tuple[MediaType, int]:
    """The media type that starts there, and where it ends."""
    found = _TYPE.match(text, start)
    if found is None:
        raise Malformed("a media type that cannot be read", expected="type/subtype; name=value")
    name, at = found[1].lower(), found.end()
    parameters: dict[str, str] = {}
    while (part := _PARAMETER.match(text, at)) is not None:
        at = part.end()
        if part[1]:
            value = part[3] if part[2] is None else re.sub(r"\\(.)", r"\1", part[2])
            parameters.setdefault(part[1].lower(), value)
    return MediaType("*/*" if name == "*" else name, parameters), at


def negotiate(accept: str, accept_query: str, offers: Sequence[Offer]) -> Offer | None:
    """The offer that fits best, None for 406 Not Acceptable (PS3.18 8.7.5).

    `accept` is the header, `accept_query` the query parameter, "" where absent; `offers` come in
    the server's own order. The query decides as far as the header allows, else the header alone.
    Where a client names no transfer syntax, the default one is taken if it is offered.
    """
    by_header = list(_ranges(accept or "*/*"))
    if accept_query:
        allowed = [offer for offer in offers if _best(by_header, offer) is not None]
        chosen = _choose(list(_ranges(accept_query)), allowed)
        if chosen is not None:
            return chosen
    return _choose(by_header, offers)


def _ranges(text: str) -> Iterator[_Range]:
    """The entries of an Accept value."""
    at, place = 0, 0
    while at < len(text):
        if text[at] in ", \t":
            at += 1
            continue
        media_type, at = _parse_at(text, at)
        if (at < len(text) and text[at] != ",") or place >= _MOST_RANGES:
            raise Malformed("an Accept value that cannot be read", expected="media ranges")
        parameters = media_type.parameters
        yield _Range(
            media_type.name,
            parameters.get("type", "").lower(),
            parameters.get("transfer-syntax", ""),
            _quality(parameters.get("q", "1")),
            place,
        )
        place += 1


def _quality(text: str) -> float:
    if not re.fullmatch(r"(?:0(?:\.\d*)?|1(?:\.0*)?|\.\d+)", text):
        raise Malformed("a q value that cannot be read", expected="0 to 1")
    return float(text)


def _choose(ranges: list[_Range], offers: Sequence[Offer]) -> Offer | None:
    """By quality, then by how well the transfer syntax fits, then by the client's order."""
    ranked = []
    for order, offer in enumerate(offers):
        best = _best(ranges, offer)
        if best is not None:
            rank = (-best.quality, _is_second_choice(best, offer), best.place, order)
            ranked.append((rank, offer))
    return min(ranked)[1] if ranked else None


def _best(ranges: list[_Range], offer: Offer) -> _Range | None:
    """The range that speaks most exactly of an offer, None if that one refuses it."""
    fitting = [entry for entry in ranges if _fits(entry, offer)]
    if not fitting:
        return None
    best = max(fitting, key=lambda entry: (entry.detail, entry.quality))
    return best if best.quality > 0 else None


def _fits(entry: _Range, offer: Offer) -> bool:
    if not _covers(entry.name, offer.name):
        return False
    if entry.inner and not _covers(entry.inner, offer.inner):
        return False
    return entry.transfer_syntax in ("", "*", offer.transfer_syntax)


def _covers(pattern: str, name: str) -> bool:
    """Whether a type or wildcard such as image/* covers a type."""
    if pattern == "*/*":
        return True
    return pattern == name or (pattern.endswith("/*") and name.startswith(pattern[:-1]))


def _is_second_choice(entry: _Range, offer: Offer) -> bool:
    """Whether a client that named no transfer syntax would get another than the default."""
    if entry.transfer_syntax or entry.name == "*/*" or not offer.transfer_syntax:
        return False
    return offer.transfer_syntax != _DEFAULTS.get(offer.content)
