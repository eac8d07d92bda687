"""The DICOM conformance statement, from the tables by which the doors answer."""

from collections.abc import Iterable
from dataclasses import fields

from pydicom.uid import AllTransferSyntaxes

from dicom.decode import can_decode
from dicom.frame_types import frame_type, is_native
from dicom.negotiation import NOT_STORAGE, STORAGE_ROOT, VERIFICATION
from dicom.pdu import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from dicom.pictures import MEDIA_TYPES
from dicom.query import KEYS, LEVELS
from dicom.rules import Limits
from docs import seen
from docs.tables import NOTE, code, codes, table
from server.errors import LOWER
from server.flows.archive import MOST
from server.settings import PREFIX, SETTINGS

_INTRO = f"""
What Triptych does on the DICOM network, over the web and from media. How to connect:
[integrate/dimse.md](../integrate/dimse.md); the details of the web services: [dicomweb.md](../dicomweb.md).

Implementation Class UID {code(IMPLEMENTATION_UID)}, version name {code(IMPLEMENTATION_NAME)}. Application context
1.2.840.10008.3.1.1.1 only. One port takes all associations, another one those over TLS (PS3.15 B.12).
"""
_SERVICES = (
    ("Verification", "SCP", f"C-ECHO, {VERIFICATION}"),
    (
        "Storage",
        "SCP",
        f"C-STORE of every storage class of the standard, of those below {STORAGE_ROOT} that it will have, "
        "and of private ones",
    ),
    (
        "Query",
        "SCP",
        "C-FIND of Patient Root and Study Root, with the matching keys below and any attribute to be returned; "
        f"at most {MOST} matches, then A700",
    ),
    (
        "Retrieve",
        "SCP",
        "C-GET and C-MOVE of Patient Root and Study Root, at every level; to a peer of the same organisation. Objects "
        "leave as they are stored, or in the other uncompressed little endian syntax for who takes no other",
    ),
    ("Worklist, commitment, procedure steps and all others", "none", "the context is rejected (3)"),
    ("QIDO-RS", "origin server", "PS3.18 10.6"),
    ("WADO-RS", "origin server", "PS3.18 10.4"),
    ("STOW-RS", "origin server", "PS3.18 10.5"),
    ("Media", "File-set reader", "`import` of folders, discs by their DICOMDIR, and ZIP archives"),
)
_STATUSES = (
    ("0000", "stored, indexed and on disk; also for an object that is there already"),
    (
        "B000",
        "stored, and kept apart for review: another patient, or another content under its UID",
    ),
    ("A700", "beyond a limit, or no room: nothing is kept"),
    ("A900", "it contradicts what was announced, or lacks a UID that files it: nothing is kept"),
    ("C000", "it cannot be read as DICOM: nothing is kept"),
    ("0110", "a failure of ours: nothing is kept, send again"),
    ("0122", "no context was accepted for its class"),
    ("0124", "the peer may not store"),
)
_LIMITS = {
    "MAX_ASSOCIATIONS": "open associations; one more is rejected for now (2, 2)",
    "MAX_PDU": "longest P-DATA-TF that we announce",
    "DIMSE_IDLE_SECONDS": "silence after which an association is aborted",
    "MAX_OBJECT_BYTES": "largest object by any door",
    "MAX_REQUEST_BYTES": "largest STOW-RS request",
    "MAX_PARTS": "objects in one STOW-RS request",
}


def page() -> str:
    """Return the page."""
    parts = [
        f"# DICOM conformance statement\n\n{NOTE}{_INTRO}",
        _services(),
        _storage(),
        _syntaxes(),
        _keys(),
        _limits(),
    ]
    return "\n".join(parts)


def _services() -> str:
    rows = [(name, role, what, code(seen.SERVICES[name])) for name, role, what in _SERVICES]
    return "## Services\n\n" + table(("Service", "Role", "What", "Seen by"), rows)


def _storage() -> str:
    others = codes(sorted(NOT_STORAGE))
    kinds = [
        (one.__name__, code(f"0x{status:04X}"), str(kind.answer.http), code(seen.LOWER_ERRORS))
        for one, kind, status in LOWER
    ]
    return (
        "## Storage\n\n"
        f"A class counts as storage by its name in the dictionary; not {others}. Each context gets the transfer\n"
        "syntax that its sender proposed first, whatever it is, and the data set is kept and served as it came.\n"
        "An association that asks for roles, an asynchronous window or a user identity is served as well, by\n"
        "another engine; none of these is granted.\n\n"
        + table(("Status", "Meaning"), ((code(name), what) for name, what in _STATUSES))
        + "\nWhat is wrong with an object, and how each door says it:\n\n"
        + table(("Error", "C-STORE, STOW-RS", "HTTP status", "Seen by"), kinds)
    )


def _syntaxes() -> str:
    rows = [
        (uid.name, code(uid), _frames(uid), "yes" if can_decode(uid) else "", code(seen.SYNTAXES))
        for uid in AllTransferSyntaxes
    ]
    return (
        "## Transfer syntaxes\n\n"
        "All are stored and retrieved as they are, private ones too. Frames come as they are stored in this media\n"
        "type; those that are decoded come in Explicit VR Little Endian too, as `application/octet-stream`, and as\n"
        f"pictures: {codes(MEDIA_TYPES)} (`{seen.FRAMES}`).\n\n"
        + table(("Name", "UID", "Frames as stored", "Decoded", "Seen by"), rows)
    )


def _frames(uid: str) -> str:
    return "octets" if is_native(uid) else code(frame_type(uid))


def _keys() -> str:
    def rows() -> Iterable[tuple[str, ...]]:
        for level in LEVELS:
            for key in KEYS.values():
                if key.level == level:
                    tag = f"({key.tag[:4]},{key.tag[4:]})"
                    yield level, key.keyword, tag, key.vr, code(seen.KEYS)

    return "## Matching keys of QIDO-RS and C-FIND\n\n" + table(
        ("Level", "Keyword", "Tag", "VR", "Seen by"), rows()
    )


def _limits() -> str:
    known = {setting.name: setting for setting in SETTINGS}
    rows = [
        (code(PREFIX + name), code(known[name].default), what) for name, what in _LIMITS.items()
    ]
    default = Limits()
    fixed = {"connections", "artim", "stall"} & {field.name for field in fields(Limits)}
    timers = [(code(name), f"{getattr(default, name):g}", "fixed") for name in sorted(fixed)]
    return "## Limits\n\n" + table(("Setting", "Default", "Meaning"), [*rows, *timers])
