"""Nothing is held whole in memory: objects of 200 MB pass through roles that stay small."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from bench.crash.objects import SOP_CLASS, TRANSFER_SYNTAX, Made, make
from tests.support.parrot import Parrot, command, message, request
from tests.support.server import Server, running
from tests.support.web import Web, web

pytestmark = [pytest.mark.journey, pytest.mark.slow]

SIZE = 200_000_000
ROOM = 64 << 20  # what a role may need more than at rest


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("large") / "data", under=("env",), HTTP_WORKERS="1"
    ) as started:
        yield started


def peaks(server: Server) -> dict[int, int]:
    """The most memory that each process of the server has ever held."""
    found = {}
    for process in psutil.Process(server.process.pid).children(recursive=True):
        status = Path(f"/proc/{process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        found[process.pid] = int(line.split()[1]) << 10
    return found


def growth(server: Server, before: dict[int, int]) -> int:
    after = peaks(server)
    assert set(before) <= set(after), "no process has ended"
    return max(peak - before.get(pid, 0) for pid, peak in after.items() if pid in before)


def store(server: Server, made: Made) -> None:
    """C-STORE in PDUs of the length that the door takes."""
    with Parrot(server.dimse) as parrot:
        parrot.associate(request([(1, SOP_CLASS, [TRANSFER_SYNTAX])]))
        asked = command(1, sop_class=SOP_CLASS, sop_instance=made.uid)
        parrot.say(message(1, asked, made.data, 100_000))
        assert parrot.response().Status == 0
        parrot.release()


def read_back(staff: Web, made: Made) -> None:
    """WADO-RS, as a stream; every byte of the data set has to come back."""
    path = f"/studies/{made.study}/series/{made.series}/instances/{made.uid}"
    address, accept = staff.base + path, "application/dicom; transfer-syntax=*"
    headers = {"Authorization": f"Bearer {staff.token}", "Accept": accept}
    with requests.get(address, headers=headers, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        skip = int(answer.headers["Content-Length"]) - len(made.data)
        digest = hashlib.sha256(answer.raw.read(skip + len(made.data))[skip:])
    assert digest.hexdigest() == made.sha256


def test_objects_of_200_mb_pass_through_every_door_and_no_role_grows(server: Server) -> None:
    staff = web(server)
    small = make("small", "CT1", 1)
    store(server, small)
    assert staff.store(small.file).status_code == 200
    read_back(staff, small)
    before = peaks(server)
    made = make("large", "CT1", 1, SIZE)
    store(server, made)
    assert growth(server, before) < ROOM, "C-STORE"
    read_back(staff, made)
    assert growth(server, before) < ROOM, "WADO-RS"
    made = make("large", "WEB", 2, SIZE)
    assert staff.store(made.file).status_code == 200
    assert growth(server, before) < ROOM, "STOW-RS"
    read_back(staff, made)
