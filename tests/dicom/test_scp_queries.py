"""What the door makes of queries and retrievals that are odd, broken off or hostile (PS3.4 C.4)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset

from dicom.archive import Held
from dicom.sink import Peer
from tests.support.door import House, running_house
from tests.support.parrot import (
    ABORT,
    CT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    Parrot,
    command,
    echo,
    element,
    item,
    message,
    request,
)
from tests.support.shelf import Shelf
from tests.support.waiting import until

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
C_GET, C_FIND, C_MOVE, C_CANCEL = 0x0010, 0x0020, 0x0021, 0x0FFF
OBJECT = b"0123456789" * 5000
MAY = frozenset({"echo", "store", "find", "get", "move"})


def role(uid: str, user: int, provider: int) -> bytes:
    """Pack a role selection (PS3.7 D.3.3.4)."""
    name = uid.encode()
    return item(0x54, struct.pack(">H", len(name)) + name + bytes((user, provider)))


SAID = request(
    [
        (1, VERIFICATION, [IMPLICIT]),
        *((number, kind, [IMPLICIT]) for number, kind in ((3, FIND), (5, MOVE), (7, GET))),
        (9, CT, [EXPLICIT]),
    ],
    user_items=role(CT, 0, 1),
)


@dataclass(slots=True)
class Scene:
    """A door with a shelf behind it, and a peer that is associated."""

    house: House
    shelf: Shelf
    parrot: Parrot

    def ask(self, context: int, field: int, identifier: bytes, more: bytes = b"") -> None:
        kind = {3: FIND, 5: MOVE, 7: GET}[context]
        asked = command(field, sop_class=kind, sop_instance="", more=more)
        self.parrot.say(message(context, asked, identifier))

    def answer(self) -> tuple[Dataset, Dataset | None]:
        """Read a response, and its identifier if it has one."""
        response = self.parrot.response()
        if response.CommandDataSetType == 0x0101:
            return response, None
        data, last = b"", False
        while not last:
            _, body = self.parrot.hear()
            data, last = data + body[6:], bool(body[5] & 2)
        return response, read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)

    def still_works(self) -> None:
        self.parrot.say(message(1, echo()))
        assert self.parrot.response().Status == 0
        self.parrot.release()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    shelf = Shelf()
    with running_house(tmp_path, archive=shelf) as house:
        house.peers["PARROT"] = Peer("PARROT", 1, MAY)
        with Parrot(house.port) as parrot:
            accepted = parrot.associate(SAID)
            assert {result for result, _ in accepted.values()} == {0}
            yield Scene(house, shelf, parrot)


def keys(level: str = "STUDY") -> bytes:
    """An identifier in implicit VR: the level and an empty Study Instance UID."""
    text = level.encode() + b" " * (len(level) % 2)
    return struct.pack("<HHL", 8, 0x52, len(text)) + text + struct.pack("<HHL", 0x20, 0x0D, 0)


def study(number: int) -> dict[str, object]:
    return {"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}}


def held(number: int) -> Held:
    return Held(CT, f"1.2.3.{number}", EXPLICIT, lambda syntax: iter([OBJECT]))


def test_each_match_is_an_answer_of_its_own_and_success_is_the_last(scene: Scene) -> None:
    scene.shelf.matches = [study(1), study(2)]
    scene.ask(3, C_FIND, keys())
    answers = [scene.answer() for _ in range(3)]
    assert [one.Status for one, _ in answers] == [0xFF00, 0xFF00, 0]
    assert [match.StudyInstanceUID for _, match in answers if match] == ["1.2.1", "1.2.2"]
    assert scene.shelf.asked[0].keys == {"0020000D": ""}
    scene.still_works()


def test_a_search_that_is_cancelled_ends_early(scene: Scene) -> None:
    scene.shelf.matches = [study(number) for number in range(100_000)]
    scene.ask(3, C_FIND, keys())
    assert scene.answer()[0].Status == 0xFF00
    cancel = command(C_CANCEL, sop_class=FIND, sop_instance="", data=False)
    scene.parrot.say(message(3, cancel))
    statuses = {0xFF00}
    while statuses == {0xFF00}:
        statuses = {scene.answer()[0].Status}
    assert statuses == {0xFE00}
    scene.still_works()


def test_an_object_is_given_on_a_context_whose_provider_the_peer_is(scene: Scene) -> None:
    scene.shelf.held = [held(1)]
    scene.ask(7, C_GET, keys())
    asked = scene.parrot.response()
    assert (asked.CommandField, asked.AffectedSOPInstanceUID) == (0x0001, "1.2.3.1")
    data, last = b"", False
    while not last:
        _, body = scene.parrot.hear()
        data, last = data + body[6:], bool(body[5] & 2)
    assert data == OBJECT
    scene.parrot.say(message(9, stored(asked.MessageID)))
    assert [scene.answer()[0].Status for _ in range(2)] == [0xFF00, 0]
    scene.still_works()
    event = scene.house.next_event()
    assert (event.asked, event.given) == (1, len(OBJECT))


def stored(message_id: int, status: int = 0) -> bytes:
    """Pack a C-STORE-RSP."""
    short = struct.Struct("<H")
    body = (
        element(0x0100, short.pack(0x8001))
        + element(0x0120, short.pack(message_id))
        + element(0x0800, short.pack(0x0101))
        + element(0x0900, short.pack(status))
    )
    return element(0, struct.pack("<L", len(body))) + body


def test_an_object_that_is_refused_is_counted_and_named(scene: Scene) -> None:
    scene.shelf.held = [held(1)]
    scene.ask(7, C_GET, keys())
    asked = scene.parrot.response()
    while not scene.parrot.hear()[1][5] & 2:
        pass
    scene.parrot.say(message(9, stored(asked.MessageID, 0xA700)))
    scene.answer()
    final, failed = scene.answer()
    assert (final.Status, final.NumberOfFailedSuboperations) == (0xA702, 1)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == "1.2.3.1"
    scene.still_works()


def test_who_hangs_up_amid_an_object_frees_its_place(scene: Scene) -> None:
    scene.shelf.held = [held(number) for number in range(1000)]
    scene.ask(7, C_GET, keys())
    scene.parrot.response()
    scene.parrot.socket.close()
    assert scene.house.next_event().ending.kind in ("lost", "aborted")
    until(lambda: scene.shelf.ended, "the retrieval to be closed")


def test_an_abort_amid_an_answer_ends_it(scene: Scene) -> None:
    scene.shelf.held = [held(1)]
    scene.ask(7, C_GET, keys())
    scene.parrot.response()
    scene.parrot.say(ABORT)
    assert scene.house.next_event().ending.kind == "aborted"


@pytest.mark.parametrize("context", [3, 7])
def test_a_second_request_amid_an_answer_aborts(scene: Scene, context: int) -> None:
    scene.shelf.held = [held(1)]
    scene.ask(7, C_GET, keys())
    scene.ask(context, {3: C_FIND, 7: C_GET}[context], keys())
    assert scene.parrot.aborted() is not None


def test_an_answer_to_no_question_aborts(scene: Scene) -> None:
    scene.parrot.say(message(9, stored(1)))
    assert scene.parrot.aborted() is not None


@pytest.mark.parametrize(
    ("identifier", "status"),
    [
        (b"\x08\x00\x52\x00\xff\xff\xff\x7fSTUDY ", 0xC000),
        (b"", 0xA900),
        (keys("WORLD"), 0xA900),
        (keys("PATIENT"), 0xA900),
        (keys() + bytes(2 << 20), 0xC000),
    ],
)
def test_an_identifier_that_says_nothing_is_refused(
    scene: Scene, identifier: bytes, status: int
) -> None:
    scene.ask(3, C_FIND, identifier)
    assert scene.answer()[0].Status == status
    assert scene.shelf.asked == []
    scene.still_works()


def test_objects_do_not_come_in_on_a_context_that_was_granted_for_going_out(scene: Scene) -> None:
    scene.parrot.say(message(9, command(0x0001, sop_instance="1.2.3.4"), b"1234"))
    assert scene.parrot.response().Status == 0x0124
    scene.still_works()


def test_a_move_to_nobody_is_refused(scene: Scene) -> None:
    scene.ask(5, C_MOVE, keys(), element(0x0600, b"NOWHERE "))
    answer, _ = scene.answer()
    assert answer.Status == 0xA801
    assert "NOWHERE" in answer.ErrorComment
    scene.still_works()
