"""Encounter (R4) from PV1 and PV2, merged into what is known of the visit (mapping 2.1, 2.2).

A visit without a number (PV1-19) cannot be found again and makes no Encounter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhir.codes import PARTICIPATION, coded
from fhir.hl7_codes import ABSENT, ACT_CODE, coded_in, concept, table
from fhir.hl7_context import Context
from fhir.hl7_identifiers import visit_identifier
from fhir.hl7_people import practitioners
from fhir.hl7_times import period_of
from fhir.identifiers import distinct
from hl7.facts import VisitFacts
from hl7.moments import NEVER
from hl7.types import NO_NUMBER, Concept, Identifier, Person, Place

Json = dict[str, Any]
CELEBRITY = coded(ACT_CODE, "CEL", "celebrity information sensitivity")
IN_PROGRESS, FINISHED, PLANNED, CANCELLED = "in-progress", "finished", "planned", "cancelled"
