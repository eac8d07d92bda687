"""MSH to facts: who sent what to whom, and how it wants to be answered (HL7 2.5.1 ch. 2.15.9)."""

from hl7.facts import Header
from hl7.message import Message
from hl7.moments import Moment
from hl7.types import Authority, text_of

# Messages that have one event only, or whose event some senders leave out.
_ONLY_EVENT = {"ORU": "R01", "ORM": "O01", "OMI": "O23", "OMG": "O19"}


def read_header(message: Message) -> Header:
    """Read MSH; an event that MSH-9 lacks is taken from EVN-1 or from the message code."""
    msh = message.first("MSH")
    field = msh.field
    code, event = text_of(field(9), 1).upper(), text_of(field(9), 2).upper()
    if not event:
        event = message.first("EVN").text(1).strip().upper() or _ONLY_EVENT.get(code, "")
    return Header(
        application=Authority.read(field(3)),
        facility=Authority.read(field(4)),
        receiving_application=Authority.read(field(5)),
        receiving_facility=Authority.read(field(6)),
        sent=Moment.read(field(7)),
        code=code,
        event=event,
        structure=text_of(field(9), 3),
        control_id=text_of(field(10)),
        processing=text_of(field(11)).upper(),
        version=text_of(field(12)),
        accept_ack=text_of(field(15)).upper(),
        application_ack=text_of(field(16)).upper(),
        country=text_of(field(17)),
        language=text_of(field(19)),
    )
