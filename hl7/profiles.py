"""What a feed is held to before its messages are acknowledged."""

from dataclasses import dataclass

from hl7.oru import ATTACHMENT_LIMIT

MESSAGE_LIMIT = 64_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of one feed.

    `charset` (table 0211) is read where MSH-18 is empty; a feed that is not `strict_charset` may
    declare one set and write another. `processing` are the values of MSH-11 that are taken. A
    report of a `strict_status` feed has OBR-25; others may leave it to OBX-11. Limits are in bytes.
    """

    charset: str = ""
    strict_charset: bool = True
    strict_status: bool = False
    processing: frozenset[str] = frozenset({"P", "T", "D"})
    max_message: int = MESSAGE_LIMIT
    max_attachment: int = ATTACHMENT_LIMIT


DEFAULT = Profile()
