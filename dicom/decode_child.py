"""A child of the decode pool: one frame after the other, within limits it cannot lift.

    python -P -m dicom.decode_child FD MEMORY_BYTES SECONDS

Jobs come over the socket FD as (kind, frame, options) and the frame's bytes; answers go back as two messages of plain
bytes, a JSON head and a body, because the parent must not trust what a damaged codestream may
have made of this process.
"""

import json
import math
import os
import resource
import signal
import sys
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from dicom.errors import DicomError, TooLarge, Undecodable
from dicom.pictures import Frame, Options
from dicom.render import native, render

# Beyond the time that the parent grants a job, a child without a parent ends by itself.
_GRACE_SECONDS = 5


def main(arguments: list[str]) -> int:
    """Serve jobs until the parent hangs up."""
    connection = Connection(int(arguments[0]))
    _confine(int(arguments[1]))
    seconds = math.ceil(float(arguments[2])) + _GRACE_SECONDS
    connection.send_bytes(b"ready")
    while True:
        try:
            kind, frame, options = connection.recv()
            frame = replace(frame, data=connection.recv_bytes())
        except EOFError:
            return 0
        signal.alarm(seconds)
        head, body = _answer(kind, frame, options)
        signal.alarm(0)
        connection.send_bytes(json.dumps(head).encode())
        connection.send_bytes(body)


def _confine(memory: int) -> None:
    """Leave Ctrl-C to the parent, write no file, have `memory` bytes for frames and no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open("/proc/self/statm", encoding="ascii") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: mapped + memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _answer(kind: str, frame: Frame, options: Options) -> tuple[dict[str, Any], bytes]:
    """The result, or what was wrong, as head and body."""
    try:
        if kind == "native":
            decoded = native(frame)
            return {"photometric": decoded.photometric}, decoded.data
        picture = render(frame, options)
    except MemoryError:
        refusal = _refusal(TooLarge("the frame takes more memory than it is worth"))
        return refusal | {"exhausted": True}, b""
    except DicomError as error:
        return _refusal(error), b""
    except Exception as error:
        return _refusal(Undecodable(f"the frame cannot be decoded ({type(error).__name__})")), b""
    return {"media_type": picture.media_type}, picture.data


def _refusal(error: DicomError) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "message": str(error),
        "where": error.where,
        "expected": error.expected,
    }


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Decoders may have left threads or exit handlers in no state to be waited for.
    os._exit(code)
