"""Passwords: their argon2id digests, and how many are computed at once (each takes 64 MiB)."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.errors import Busy, Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 8
LONGEST = 1024
_AT_ONCE = 2
_PATIENCE = 10
# Of a password that nobody has: a name without an account takes as long as one with.
NOBODYS = (
    "$argon2id$v=19$m=65536,t=3,p=4$oPxPuSIwFknbUe8Iy0LnEg"
    "$B6bduOznSPX6q+pmJJVJxfYdGJyOoRBEArVmLGjESLY"
)


def made() -> str:
    """A fresh password: 96 bits."""
    return secrets.token_urlsafe(12)


def check(password: str) -> None:
    """Raise Invalid for a password that is too short, or too long to be one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"a password has {SHORTEST} to {LONGEST} characters")


class Passwords:
    """Computes and verifies digests. Safe for threads."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def digest(self, password: str) -> str:
        """The digest under which a password is kept."""
        with self._hasher() as hasher:
            return hasher.hash(password)

    def verify(self, digest: str, password: str) -> bool:
        """Whether a password is the one of a digest; an empty digest is nobody's, in equal time."""
        from argon2.exceptions import VerificationError

        with self._hasher() as hasher:
            try:
                hasher.verify(digest or NOBODYS, password[:LONGEST])
            except VerificationError:
                return False
        return bool(digest)

    @contextmanager
    def _hasher(self) -> Iterator["PasswordHasher"]:
        from argon2 import PasswordHasher  # most processes never need it

        if not self._turns.acquire(timeout=_PATIENCE):
            raise Busy("too many people log in at this moment", retry=5)
        try:
            yield PasswordHasher()
        finally:
            self._turns.release()
