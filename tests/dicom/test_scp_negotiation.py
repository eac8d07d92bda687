"""Who gets an association, for what, and which engine serves it (PS3.8 7.1 and 9.3)."""

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE, sop_class
from pynetdicom.association import Association
from pynetdicom.presentation import build_role

from dicom.negotiation import is_storage
from dicom.pdu import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from dicom.rules import Calling, Limits
from dicom.sink import Peer
from tests.support.door import ENGINES, House, running_house
from tests.support.parrot import (
    CT,
    EXPLICIT,
    IMPLICIT,
    RELEASE,
    VERIFICATION,
    Parrot,
    command,
    item,
    message,
    pdu,
    request,
    store,
)

WORKLIST = "1.2.840.10008.5.1.4.31"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
ROLE_SELECTION = item(0x54, struct.pack(">H", len(CT)) + CT.encode() + b"\1\0")
USER_IDENTITY = item(0x58, b"\1\0" + struct.pack(">H", 4) + b"user" + b"\0\0")
ASYNCHRONOUS = item(0x53, struct.pack(">HH", 2, 2))


@pytest.fixture(params=ENGINES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with running_house(tmp_path, request.param) as running:
        yield running


def results(house: House, said: bytes) -> dict[int, tuple[int, str]]:
    with Parrot(house.port) as parrot:
        accepted = parrot.associate(said)
        parrot.release()
    return accepted


def rejection(house: House, said: bytes) -> tuple[int, int, int]:
    with Parrot(house.port) as parrot:
        parrot.say(said)
        kind, body = parrot.hear()
        with pytest.raises(EOFError):
            parrot.hear()
    assert kind == 3
    return body[1], body[2], body[3]


def test_every_storage_class_of_the_standard_is_accepted(house: House) -> None:
    """PS3.4 annex B.5, annex GG and the retired ones, as pynetdicom's tables list them."""
    classes = [
        *sop_class._STORAGE_CLASSES.values(),
        *sop_class._NON_PATIENT_OBJECT_CLASSES.values(),
    ]
    for start in range(0, len(classes), 128):
        some = classes[start : start + 128]
        proposals = [(2 * n + 1, uid, [IMPLICIT]) for n, uid in enumerate(some)]
        accepted = results(house, request(proposals))
        assert accepted == {number: (0, IMPLICIT) for number, _, _ in proposals}


@pytest.mark.parametrize(
    ("uid", "storage"),
    [
        ("1.2.840.10008.5.1.4.1.1.1", True),
        ("1.2.840.10008.5.1.4.1.1.12.77", True),  # retired, its name taken away
        ("1.2.840.10008.5.1.1.29", True),  # retired hardcopy grayscale image
        ("1.2.840.10008.5.1.4.1.1.999", True),  # where the next edition would put it
        ("1.2.840.10008.5.1.4.34.7", True),  # RT beams delivery instruction
        ("1.3.12.2.1107.5.9.1", True),  # private
        ("1.2.840.10008.1.1", False),  # verification
        ("1.2.840.10008.1.3.10", False),  # media storage directory
        ("1.2.840.10008.1.20.1", False),  # storage commitment
        ("1.2.840.10008.5.1.4.1.1.200.4", False),  # protocol approval, C-FIND
        ("1.2.840.10008.5.1.4.1.1.201.5", False),  # inventory creation
        ("1.2.840.10008.1.2.1", False),  # a transfer syntax
        ("1.2.840.10008.9.9", False),  # unknown, and not where storage classes are
    ],
)
def test_a_storage_class_is_told_from_other_uids(uid: str, storage: bool) -> None:
    assert is_storage(uid) is storage


def test_services_of_the_standard_that_store_nothing_are_refused(house: House) -> None:
    others = [
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if "SOP Class" in kind and name and "Storage" not in name and uid != VERIFICATION
    ]
    proposals = [(2 * n + 1, uid, [IMPLICIT]) for n, uid in enumerate(others[:128])]
    accepted = results(house, request([*proposals[:-1], (255, CT, [EXPLICIT])]))
    assert accepted.pop(255) == (0, EXPLICIT)
    assert {result for result, _ in accepted.values()} == {3}


def test_private_and_unknown_classes_are_accepted_and_stored(house: House) -> None:
    private = "1.3.12.2.1107.5.9.1"
    with Parrot(house.port) as parrot:
        parrot.associate(request([(1, private, ["1.2.840.113619.5.2", IMPLICIT])]))
        parrot.say(message(1, store("1.2.9", private), b"whatever"))
        assert parrot.response().Status == 0x0000
        parrot.release()
    assert house.keeper.kept[0].request.sop_class == private


def test_each_context_gets_the_transfer_syntax_proposed_first(house: House) -> None:
    """The first is the sender's own choice, so nothing is re-encoded on its way."""
    proposals = [
        (1, CT, [EXPLICIT, IMPLICIT]),
        (3, CT, [IMPLICIT, EXPLICIT]),
        (5, CT, [BIG_ENDIAN, IMPLICIT]),
    ]
    first = {1: (0, EXPLICIT), 3: (0, IMPLICIT), 5: (0, BIG_ENDIAN)}
    assert results(house, request(proposals)) == first


def test_what_is_no_uid_is_never_chosen(tmp_path: Path) -> None:
    proposals = [(1, CT, ["not a uid", IMPLICIT]), (3, CT, ["*"]), (5, "1.2/3", [IMPLICIT])]
    with running_house(tmp_path) as house:
        chosen = results(house, request(proposals))
    assert chosen == {1: (0, IMPLICIT), 3: (4, "*"), 5: (3, IMPLICIT)}


def test_only_what_a_peer_may_is_accepted(house: House) -> None:
    house.peers["ECHOER"] = Peer("echoer", 1, frozenset({"echo"}))
    house.peers["STORER"] = Peer("storer", 1, frozenset({"store"}))
    assert results(house, request(calling=b"ECHOER")) == {1: (0, IMPLICIT), 3: (3, EXPLICIT)}
    assert results(house, request(calling=b"STORER")) == {1: (3, IMPLICIT), 3: (0, EXPLICIT)}


def test_the_answer_names_our_implementation_and_our_longest_pdu(tmp_path: Path) -> None:
    with (
        running_house(tmp_path, limits=Limits(max_pdu=70000)) as house,
        Parrot(house.port) as parrot,
    ):
        said = request(called=b"TRIPTYCH")
        parrot.say(said)
        kind, body = parrot.hear()
        parrot.release()
    assert kind == 2
    assert body[:4] == b"\0\1\0\0"
    assert body[4:68] == said[10:74], "titles and reserved bytes are repeated unread"
    assert item(0x51, struct.pack(">L", 70000)) in body
    assert item(0x52, IMPLEMENTATION_UID.encode()) in body
    assert item(0x55, IMPLEMENTATION_NAME.encode()) in body


def test_strangers_are_rejected_and_reported(house: House) -> None:
    assert rejection(house, request(calling=b"STRANGER")) == (1, 1, 3)
    event = house.next_event()
    assert (event.ending.kind, event.peer) == ("rejected", None)
    assert event.ending.reason == "calling AE title not recognised"
    assert house.calls == [Calling("127.0.0.1", event.calling.port, "STRANGER", "TRIPTYCH")]


def test_another_called_ae_title_is_rejected_unless_any_will_do(tmp_path: Path) -> None:
    said = request(called=b"SOMEONE")
    with running_house(tmp_path) as house:
        assert rejection(house, said) == (1, 1, 7)
        assert house.calls == []
    with running_house(tmp_path, any_called_ae=True) as house:
        assert results(house, said)[1] == (0, IMPLICIT)
        assert house.calls[0].called_ae == "SOMEONE"


def test_another_protocol_version_or_application_context_is_rejected(house: House) -> None:
    assert rejection(house, request(version=2)) == (1, 2, 2)
    assert rejection(house, request(application="1.2.3")) == (1, 1, 2)


def test_later_protocol_versions_are_fine_as_long_as_they_include_ours(tmp_path: Path) -> None:
    """PS3.8 table 9-11: each bit stands for a version, only bit 0 is tested."""
    with running_house(tmp_path) as house:
        assert results(house, request(version=3))[1] == (0, IMPLICIT)


def served_by_pynetdicom(house: House, said: bytes) -> bool:
    with Parrot(house.port) as parrot:
        accepted = parrot.associate(said)
        found = any(isinstance(thread, Association) for thread in threading.enumerate())
        number = next(number for number, (result, _) in accepted.items() if result == 0)
        parrot.say(message(number, command(0x0030, data=False, sop_class=VERIFICATION)))
        parrot.response()
        parrot.release()
    return found


def test_what_negotiates_more_than_we_speak_is_served_by_pynetdicom(tmp_path: Path) -> None:
    query = request([(1, VERIFICATION, [IMPLICIT]), (3, STUDY_ROOT_FIND, [IMPLICIT])])
    worklist = request([(1, VERIFICATION, [IMPLICIT]), (3, WORKLIST, [IMPLICIT])])
    with running_house(tmp_path) as house:
        assert not served_by_pynetdicom(house, request())
        assert not served_by_pynetdicom(house, query)
        assert served_by_pynetdicom(house, worklist)
        for negotiation in (ROLE_SELECTION, USER_IDENTITY, ASYNCHRONOUS):
            assert served_by_pynetdicom(house, request(user_items=negotiation))


def test_a_modality_that_selects_roles_stores_through_pynetdicom(tmp_path: Path) -> None:
    scu = AE("MODALITY")
    scu.add_requested_context(CT, EXPLICIT)
    scu.add_requested_context(VERIFICATION, IMPLICIT)
    with running_house(tmp_path) as house:
        association = scu.associate(
            "127.0.0.1",
            house.port,
            ae_title="TRIPTYCH",
            ext_neg=[build_role(CT, scu_role=True, scp_role=True)],
        )
        assert association.is_established
        assert association.send_c_echo().Status == 0x0000
        association.release()
        assert house.next_event().ending.kind == "released"


def test_titles_reach_the_log_without_control_characters(tmp_path: Path) -> None:
    with running_house(tmp_path) as house:
        results(house, request(calling=b"A\nB\x1b[31m\xff"))
        assert house.calls[0].calling_ae == "A?B?[31m?"


def test_a_failing_peer_table_ends_the_connection_but_not_the_door(tmp_path: Path) -> None:
    class Broken(House):
        def identify(self, calling: Calling) -> Peer | None:
            if calling.calling_ae == "UNLUCKY":
                raise RuntimeError("the table is gone")
            return super().identify(calling)

    house = Broken(tmp_path)
    house.door.start()
    try:
        with Parrot(house.port) as parrot:
            parrot.say(request(calling=b"UNLUCKY"))
            assert parrot.aborted() == 0
        assert results(house, request())[1] == (0, IMPLICIT)
    finally:
        house.door.stop(0)


@pytest.mark.parametrize(
    "said",
    [
        pdu(1, b""),
        pdu(1, bytes(67)),
        request([(2, CT, [EXPLICIT])]),  # even context id
        request([(1, CT, [EXPLICIT]), (1, CT, [EXPLICIT])]),  # the same id twice
        request([(1, CT, [])]),  # no transfer syntax
        pdu(1, request()[6:-1]),  # the last item runs past the end
        pdu(1, request()[6:] + b"\x20"),  # an item without its length
        pdu(1, request()[6:] + item(0x20, b"\5")),  # a context without its fields
    ],
)
def test_a_malformed_request_is_aborted(tmp_path: Path, said: bytes) -> None:
    with running_house(tmp_path) as house:
        with Parrot(house.port) as parrot:
            parrot.say(said)
            assert parrot.aborted() == 6
        assert house.next_event().ending.kind == "aborted"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (RELEASE, 2),
        (pdu(4, b"\0\0\0\2\1\3"), 2),
        (b"GET / HTTP/1.1\r\n\r\n", 1),
        (bytes(64), 1),
        (struct.pack(">BxL", 1, 0xFFFFFFFF), 6),
        (struct.pack(">BxL", 1, 524289), 6),
    ],
)
def test_anything_but_a_request_of_sound_length_is_aborted_at_once(
    tmp_path: Path, said: bytes, reason: int
) -> None:
    with running_house(tmp_path) as house, Parrot(house.port) as parrot:
        parrot.say(said)
        assert parrot.aborted() == reason
