"""Which presentation contexts a peer is granted, and which engine can serve them (PS3.8 7.1.1)."""

import re

from pydicom.config import IGNORE
from pydicom.uid import UID

from dicom.archive import MODELS
from dicom.part10 import EXPLICIT_LITTLE
from dicom.pdu import AssociateRequest, Context, Proposal, Role

VERIFICATION = "1.2.840.10008.1.1"
QUERYING = frozenset({"find", "move", "get"})
DICOM_ROOT = "1.2.840.10008."
STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
# Their names say storage, their services are others (DICOMDIR, storage commitment).
NOT_STORAGE = {"1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"}

ACCEPTED = 0
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

# Asynchronous operations window, role selection, user identity (PS3.7 annex D.3.3).
NEGOTIATIONS = {0x53, 0x54, 0x58}

_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}")


def is_uid(text: str) -> bool:
    """Tell what can pass for a UID: real senders break the finer rules of PS3.5 9.1.

    Whoever keeps the object judges its form; here it only has to be harmless.
    """
    return _UID.fullmatch(text) is not None


def is_storage(abstract_syntax: str) -> bool:
    """Tell whether objects of this class can be stored: all storage classes and private ones.

    A UID of the standard that the dictionary does not know yet counts if it lies where the
    standard puts its storage classes (PS3.4 annex B.5).
    """
    if abstract_syntax in NOT_STORAGE:
        return False
    uid = UID(abstract_syntax, IGNORE)
    if not uid.type:
        return not uid.startswith(DICOM_ROOT) or uid.startswith(STORAGE_ROOT)
    # A few retired storage classes have lost even their name.
    return uid.type == "SOP Class" and ("Storage" in uid.keyword or not uid.keyword)


def negotiate(
    request: AssociateRequest, may: frozenset[str], *, roles: bool = False
) -> tuple[Context, ...]:
    """Accept each context of a service that the peer may use, with its first transfer syntax.

    The first one is the requestor's own choice, so the bytes are kept as they came. With `roles`
    a requestor that may get objects is granted the provider's role that it needs for that.
    """
    granted = request.roles if roles else {}
    return tuple(_decide(one, may, granted.get(one.abstract_syntax)) for one in request.proposals)


def _decide(proposal: Proposal, may: frozenset[str], role: Role | None) -> Context:
    uids = [uid for uid in proposal.transfer_syntaxes if is_uid(uid)]
    service = _service(proposal.abstract_syntax) if is_uid(proposal.abstract_syntax) else ""
    takes = service in may and (role is None or role.user or service != "store")
    gives = service == "store" and "get" in may and role is not None and role.provider
    if not takes and not gives:
        result = ABSTRACT_SYNTAX_NOT_SUPPORTED
    elif not uids:
        result = TRANSFER_SYNTAXES_NOT_SUPPORTED
    else:
        result = ACCEPTED
    chosen = uids[0] if uids else proposal.transfer_syntaxes[0]
    if not takes and EXPLICIT_LITTLE in uids:
        chosen = EXPLICIT_LITTLE  # as most objects are kept that we may be asked for
    return Context(proposal.id, proposal.abstract_syntax, chosen, result, takes, gives)


def _service(abstract_syntax: str) -> str:
    if abstract_syntax == VERIFICATION:
        return "echo"
    if abstract_syntax in MODELS:
        return MODELS[abstract_syntax].service
    return "store" if is_storage(abstract_syntax) else ""


def is_plain(request: AssociateRequest) -> bool:
    """Tell whether our own engine serves an association: storage, verification, query, retrieve.

    Where neither query nor retrieve is asked for, other negotiations go to the other engine.
    """
    services = {_service(proposal.abstract_syntax) for proposal in request.proposals}
    if services & QUERYING:
        return True
    return "" not in services and not request.user_items & NEGOTIATIONS
