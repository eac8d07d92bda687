"""Facts of a message as it tells them: who, which visit, which orders, which results.

Text is unescaped and trimmed, codes and times stay as they were sent, and absent is "". A field
that was sent as null is empty too; `nulls` names it. The FHIR side maps them.
"""

from dataclasses import dataclass

from hl7.faults import Fault
from hl7.moments import NEVER, Moment
from hl7.types import (
    NO_NUMBER,
    NO_ORDER,
    NO_ORGANISATION,
    NOBODY,
    NOTHING_CODED,
    NOWHERE,
    Address,
    Authority,
    Concept,
    Contact,
    Identifier,
    OrderNumber,
    Organisation,
    Person,
    PersonName,
    Place,
)


@dataclass(frozen=True, slots=True)
class Header:
    """MSH. `code`, `event` and `structure` are MSH-9; a missing event was found elsewhere."""

    application: Authority = NOBODY
    facility: Authority = NOBODY
    receiving_application: Authority = NOBODY
    receiving_facility: Authority = NOBODY
    sent: Moment = NEVER
    code: str = ""
    event: str = ""
    structure: str = ""
    control_id: str = ""
    processing: str = ""
    version: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    country: str = ""
    language: str = ""

    @property
    def kind(self) -> str:
        """Message code and event: ADT^A08."""
        return f"{self.code}^{self.event}" if self.event else self.code


UNREAD = Header()


@dataclass(frozen=True, slots=True)
class Note:
    """NTE: `text` has a line for each repetition of NTE-3."""

    text: str
    source: str = ""
    kind: Concept = NOTHING_CODED
    author: Person | None = None
    entered: Moment = NEVER


@dataclass(frozen=True, slots=True)
class ContactPerson:
    """NK1."""

    names: tuple[PersonName, ...] = ()
    relationship: Concept = NOTHING_CODED
    addresses: tuple[Address, ...] = ()
    phones: tuple[Contact, ...] = ()
    role: Concept = NOTHING_CODED


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """PID, PD1 and NK1. `identifiers` are PID-3 alone; `external` is PID-2, `alternates` PID-4.

    `nulls` names the fields that were sent as null, such as PID-13.
    """

    identifiers: tuple[Identifier, ...] = ()
    external: Identifier = NO_NUMBER
    alternates: tuple[Identifier, ...] = ()
    names: tuple[PersonName, ...] = ()
    aliases: tuple[PersonName, ...] = ()
    mothers_maiden_names: tuple[PersonName, ...] = ()
    birth: Moment = NEVER
    sex: str = ""
    races: tuple[Concept, ...] = ()
    ethnic_groups: tuple[Concept, ...] = ()
    addresses: tuple[Address, ...] = ()
    county: str = ""
    home_phones: tuple[Contact, ...] = ()
    work_phones: tuple[Contact, ...] = ()
    other_contacts: tuple[Contact, ...] = ()
    language: Concept = NOTHING_CODED
    marital_status: Concept = NOTHING_CODED
    religion: Concept = NOTHING_CODED
    account: Identifier = NO_NUMBER
    social_security_number: str = ""
    licence: str = ""
    mothers: tuple[Identifier, ...] = ()
    multiple_birth: str = ""
    birth_order: str = ""
    citizenships: tuple[Concept, ...] = ()
    nationality: Concept = NOTHING_CODED
    death: Moment = NEVER
    dead: str = ""
    identity_unknown: str = ""
    reliability: tuple[str, ...] = ()
    updated: Moment = NEVER
    species: Concept = NOTHING_CODED
    breed: Concept = NOTHING_CODED
    strain: str = ""
    protection: str = ""
    care_organisations: tuple[Organisation, ...] = ()
    care_providers: tuple[Person, ...] = ()
    contacts: tuple[ContactPerson, ...] = ()
    nulls: frozenset[str] = frozenset()

    @property
    def named_by(self) -> tuple[Identifier, ...]:
        """Every number that names this patient: PID-3, then PID-2 and PID-4."""
        return (*self.identifiers, *((self.external,) if self.external else ()), *self.alternates)


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """PV1 and PV2. Without `number` (PV1-19) there is no visit that could be found again."""

    number: Identifier = NO_NUMBER
    alternate: Identifier = NO_NUMBER
    preadmit: Identifier = NO_NUMBER
    patient_class: Concept = NOTHING_CODED
    location: Place = NOWHERE
    prior_location: Place = NOWHERE
    temporary_location: Place = NOWHERE
    attending: tuple[Person, ...] = ()
    referring: tuple[Person, ...] = ()
    consulting: tuple[Person, ...] = ()
    admitting: tuple[Person, ...] = ()
    service: Concept = NOTHING_CODED
    admission_type: Concept = NOTHING_CODED
    vip: Concept = NOTHING_CODED
    disposition: Concept = NOTHING_CODED
    admitted: Moment = NEVER
    discharged: Moment = NEVER
    expected: Moment = NEVER
    reason: Concept = NOTHING_CODED
    nulls: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PriorFacts:
    """MRG: the numbers under which the other record is known."""

    identifiers: tuple[Identifier, ...] = ()
    alternates: tuple[Identifier, ...] = ()
    account: Identifier = NO_NUMBER
    external: Identifier = NO_NUMBER
    visit: Identifier = NO_NUMBER
    alternate_visit: Identifier = NO_NUMBER
    names: tuple[PersonName, ...] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """A pair of PID and MRG, with the visit that moves where the event moves visits."""

    patient: PatientFacts
    prior: PriorFacts
    visit: VisitFacts | None = None


@dataclass(frozen=True, slots=True)
class AdtFacts:
    """ADT of any event. `patient` is the first PID; `merges` has one pair for each MRG."""

    header: Header
    recorded: Moment = NEVER
    planned: Moment = NEVER
    occurred: Moment = NEVER
    reason: str = ""
    operators: tuple[Person, ...] = ()
    patient: PatientFacts | None = None
    visit: VisitFacts | None = None
    merges: tuple[Merge, ...] = ()


@dataclass(frozen=True, slots=True)
class Carrier:
    """A DICOM UID and the field that carried it. `level` is study, series or instance."""

    level: str
    uid: str
    field: str


@dataclass(frozen=True, slots=True)
class Uids:
    """The DICOM UIDs of an order or report.

    `studies` are what counts: those of IPC-3 and ZDS-1, else those of OBX. `conflicts` are study
    UIDs of other carriers that are not among them.
    """

    studies: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    carriers: tuple[Carrier, ...] = ()


NO_UIDS = Uids()


@dataclass(frozen=True, slots=True)
class Numeric:
    """NM or SN: decimals as they were spelled. `separator` is - for a range, : or / for a ratio."""

    number: str
    comparator: str = ""
    separator: str = ""
    second: str = ""


@dataclass(frozen=True, slots=True)
class ObservationFacts:
    """A discrete result: OBX with what its notes say.

    `values` are the repetitions of OBX-5: Numeric, Concept, Moment, or text. `kind` is OBX-2,
    `access` OBX-13 and `release` the category of OBX-26 (2.8).
    """

    code: Concept
    kind: str
    values: tuple["Numeric | Concept | Moment | str", ...] = ()
    sub_id: str = ""
    units: Concept = NOTHING_CODED
    reference_range: str = ""
    flags: tuple[Concept, ...] = ()
    status: str = ""
    access: str = ""
    release: str = ""
    observed: Moment = NEVER
    analysed: Moment = NEVER
    performers: tuple[Person, ...] = ()
    methods: tuple[Concept, ...] = ()
    devices: tuple[OrderNumber, ...] = ()
    body_sites: tuple[Concept, ...] = ()
    number: OrderNumber = NO_ORDER
    organisation: Organisation = NO_ORGANISATION
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """IPC without its accession and study: one scheduled step of an imaging order."""

    number: OrderNumber = NO_ORDER
    modality: Concept = NOTHING_CODED
    protocols: tuple[Concept, ...] = ()
    station: OrderNumber = NO_ORDER
    location: Concept = NOTHING_CODED
    ae_titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One order: ORC, OBR and what follows them up to the next one.

    `placer_fields` and `filler_fields` are OBR-18, 19 and OBR-20, 21 as sent, for sites that keep
    their accession there. `priority` is a code as sent; `scheduled` the first time that is told.
    """

    control: str = ""
    status: str = ""
    placer: OrderNumber = NO_ORDER
    filler: OrderNumber = NO_ORDER
    group: OrderNumber = NO_ORDER
    more_placers: tuple[Identifier, ...] = ()
    accession: OrderNumber = NO_ORDER
    procedure_number: OrderNumber = NO_ORDER
    placer_fields: tuple[str, str] = ("", "")
    filler_fields: tuple[str, str] = ("", "")
    priority: str = ""
    scheduled: Moment = NEVER
    entered: Moment = NEVER
    requesters: tuple[Person, ...] = ()
    ordering_organisation: Organisation = NO_ORGANISATION
    entering_organisation: Concept = NOTHING_CODED
    code: Concept = NOTHING_CODED
    procedure: Concept = NOTHING_CODED
    section: str = ""
    steps: tuple[ProcedureStep, ...] = ()
    reasons: tuple[Concept, ...] = ()
    clinical_information: str = ""
    danger: Concept = NOTHING_CODED
    transport: str = ""
    supplements: tuple[Concept, ...] = ()
    control_reason: Concept = NOTHING_CODED
    confidentiality: Concept = NOTHING_CODED
    uids: Uids = NO_UIDS
    notes: tuple[Note, ...] = ()
    observations: tuple[ObservationFacts, ...] = ()

    @property
    def modality(self) -> str:
        """The modality as sent: of the first procedure step, else OBR-24."""
        return next((step.modality.code for step in self.steps if step.modality), self.section)


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """ORM, OMI or OMG. A message about orders alone has no patient."""

    header: Header
    patient: PatientFacts | None = None
    visit: VisitFacts | None = None
    orders: tuple[OrderFacts, ...] = ()
    warnings: tuple[Fault, ...] = ()
