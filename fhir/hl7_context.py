"""What is known around an HL7 v2 message when its facts become FHIR: its site, zones and source."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from fhir.hl7_times import NO_ZONES, Zones
from fhir.identifiers import Site
from fhir.languages import shortest
from fhir.references import Directory
from hl7.facts import Header
from hl7.types import Authority

_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Context:
    """How the numbers, codes and times of a message are read, and who is known here.

    `source` is the meta.source of all that the message writes, `language` that of its text.
    `known` finds people and organisations by the system and value of an identifier. `imaging` says
    whether a report or order that names no service (OBR-24) is one of imaging.
    """

    site: Site
    zones: Zones = NO_ZONES
    source: str = ""
    language: str = ""
    known: Directory = field(default_factory=dict)
    imaging: bool = True


def context_of(
    header: Header,
    site: Site,
    *,
    zone: str = "",
    language: str = "",
    known: Directory | None = None,
    imaging: bool = True,
) -> Context:
    """The context of one message; the zone and language are those of its feed."""
    return Context(
        site=site,
        zones=Zones(zone or site.zone, header.sent.offset),
        source=source_of(header),
        language=language_tag(header.language) or language,
        known=known or {},
        imaging=imaging,
    )


def source_of(header: Header) -> str:
    """The meta.source of a message: urn:hl7v2:application:facility#control-id (mapping 2.1)."""
    control_id = quote(header.control_id, safe="")
    return f"{sender_of(header)}#{control_id}" if control_id else sender_of(header)


def sender_of(header: Header) -> str:
    """The URI of the application that sent a message, in which its control ids are unique."""
    return f"urn:hl7v2:{_part(header.application)}:{_part(header.facility)}"


def language_tag(text: str) -> str:
    """A language as BCP 47 tag (en, de-CH); "" if it is not written as a code."""
    match = _TAG.fullmatch(text.strip())
    if match is None:
        return ""
    language, region = match.groups(default="")
    return shortest(language) + (f"-{region.upper()}" if region else "")


def _part(authority: Authority) -> str:
    return quote(authority.namespace or authority.universal_id, safe="")
