"""The id of the request that a piece of work belongs to: said in logs, in audit rows and in jobs."""

import re
import secrets
from contextvars import ContextVar

_CURRENT: ContextVar[str] = ContextVar("trace", default="")
_ID = re.compile(r"[\w.:+=-]{1,64}", re.ASCII)


def begin(wanted: str = "") -> str:
    """Work under an id from now on, in this thread: the one wanted if it is well-formed, or a new one."""
    id_ = wanted if _ID.fullmatch(wanted) else secrets.token_hex(8)
    _CURRENT.set(id_)
    return id_


def current() -> str:
    """The id that this work is done under, "" for none."""
    return _CURRENT.get()
