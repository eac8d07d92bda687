"""What the door answers to each request, and what it does with objects it cannot keep (PS3.7)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom.errors import Refused
from tests.support.door import ENGINES, House, running_house
from tests.support.parrot import (
    ABORT,
    CT,
    EXPLICIT,
    RELEASE,
    VERIFICATION,
    Parrot,
    command,
    echo,
    element,
    message,
    request,
    store,
)

MR = "1.2.840.10008.5.1.4.1.1.4"
DATA = b"0123456789" * 1000


@pytest.fixture(params=ENGINES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with running_house(tmp_path, request.param) as running:
        yield running


@pytest.fixture
def parrot(house: House) -> Iterator[Parrot]:
    with Parrot(house.port) as associated:
        associated.associate()
        yield associated


def assert_still_works(parrot: Parrot) -> None:
    parrot.say(message(3, store("1.2.99"), DATA))
    assert parrot.response().Status == 0x0000
    parrot.release()


def test_an_echo_is_answered(house: House, parrot: Parrot) -> None:
    parrot.say(message(1, echo(message=41)))
    answer = parrot.response()
    assert (answer.CommandField, answer.Status) == (0x8030, 0x0000)
    assert answer.MessageIDBeingRespondedTo == 41
    assert answer.AffectedSOPClassUID == VERIFICATION
    assert answer.CommandDataSetType == 0x0101
    assert "AffectedSOPInstanceUID" not in answer
    assert_still_works(parrot)


def test_a_stored_object_is_answered_with_its_uids(house: House, parrot: Parrot) -> None:
    parrot.say(message(3, store("1.2.3.4.5", message=65535), DATA))
    answer = parrot.response()
    assert (answer.CommandField, answer.Status) == (0x8001, 0x0000)
    assert answer.MessageIDBeingRespondedTo == 65535
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CT, "1.2.3.4.5")
    assert "ErrorComment" not in answer
    assert_still_works(parrot)


@pytest.mark.parametrize("step", ["open", "write", "commit"])
def test_a_refusal_is_answered_after_the_data_set_and_the_association_lives_on(
    house: House, parrot: Parrot, step: str
) -> None:
    house.keeper.troubles[step] = Refused(0xA700, "Disk is full")
    parrot.say(message(3, store(), DATA, size=100))
    answer = parrot.response()
    assert (answer.Status, answer.ErrorComment) == (0xA700, "Disk is full")
    assert answer.AffectedSOPInstanceUID == "1.2.3"
    house.keeper.troubles.clear()
    assert house.keeper.open == 0
    assert_still_works(parrot)
    event = house.next_event()
    assert (event.stored, event.refused) == (1, 1)


@pytest.mark.parametrize("step", ["open", "write", "commit"])
def test_a_fault_in_a_sink_is_a_processing_failure_and_tells_nothing(
    house: House, parrot: Parrot, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.keeper.troubles[step] = ValueError("DOE^JOHN")
    parrot.say(message(3, store(), DATA))
    answer = parrot.response()
    assert (answer.Status, answer.ErrorComment) == (0x0110, "Processing failure")
    assert "ValueError" in caplog.text
    assert "DOE" not in caplog.text
    house.keeper.troubles.clear()
    assert_still_works(parrot)
    assert house.keeper.open == 0


def test_even_a_sink_that_cannot_abort_costs_one_object_only(house: House, parrot: Parrot) -> None:
    house.keeper.troubles |= {"commit": OSError(), "abort": RuntimeError()}
    parrot.say(message(3, store(), DATA))
    assert parrot.response().Status == 0x0110
    house.keeper.troubles.clear()
    assert_still_works(parrot)


def test_a_warning_is_the_status_and_the_object_counts_as_stored(
    house: House, parrot: Parrot
) -> None:
    house.keeper.warnings = ((0xB007, "Data set does not match: \\ ä " + "x" * 80),)
    parrot.say(message(3, store(), DATA))
    answer = parrot.response()
    assert answer.Status == 0xB007
    assert answer.ErrorComment.startswith("Data set does not match: / ä xxx")
    assert len(answer.ErrorComment) == 64
    parrot.release()
    assert house.next_event().stored == 1


@pytest.mark.parametrize(
    ("context", "command_set", "status"),
    [
        (3, store(sop_class=MR), 0xA900),
        (3, store(sop_class=""), 0xA900),
        (3, store(sop_instance=""), 0x0117),
        (3, store(sop_instance="../../etc/passwd"), 0x0117),
        (3, store(sop_instance="1." * 40 + "1"), 0x0117),
        (1, store(sop_class=VERIFICATION), 0x0122),
        (3, command(0x0020), 0x0211),  # C-FIND
        (3, command(0x0021), 0x0211),  # C-MOVE
        (3, command(0x0130), 0x0211),  # N-ACTION
        (3, command(0x7777), 0x0211),
    ],
)
def test_requests_that_cannot_be_served_are_drained_and_refused(
    house: House, parrot: Parrot, context: int, command_set: bytes, status: int
) -> None:
    parrot.say(message(context, command_set, DATA, size=999))
    answer = parrot.response()
    assert answer.Status == status
    assert answer.ErrorComment
    assert answer.MessageIDBeingRespondedTo == 7
    assert house.keeper.kept == []
    assert_still_works(parrot)


def test_requests_without_a_data_set_are_refused_at_once(house: House, parrot: Parrot) -> None:
    parrot.say(message(3, command(0x0001, data=False)))
    assert parrot.response().Status == 0xC000
    parrot.say(message(1, command(0x0020, data=False)))
    assert parrot.response().Status == 0x0211
    parrot.say(message(3, command(0x0030, data=False)))
    assert parrot.response().Status == 0x0122
    assert_still_works(parrot)


def test_a_cancel_is_ignored(house: House, parrot: Parrot) -> None:
    parrot.say(message(3, command(0x0FFF, data=False, more=element(0x0120, b"\7\0"))))
    assert_still_works(parrot)


def test_an_echo_with_a_data_set_is_answered_after_it(house: House, parrot: Parrot) -> None:
    parrot.say(message(1, command(0x0030, sop_class=VERIFICATION), DATA))
    assert parrot.response().Status == 0x0000
    assert_still_works(parrot)


def test_a_uid_of_odd_form_is_left_to_the_judgement_of_the_sink(
    house: House, parrot: Parrot
) -> None:
    parrot.say(message(3, store("1.02.ABC-7"), DATA))
    assert parrot.response().Status == 0x0000
    assert house.keeper.kept[0].request.sop_instance == "1.02.ABC-7"


def test_padding_is_no_part_of_a_uid(house: House) -> None:
    with Parrot(house.port) as parrot:
        parrot.associate(request([(1, CT + "\0", [EXPLICIT + "\0"])]))
        parrot.say(message(1, store("1.2.3 ", CT + " "), DATA))
        assert parrot.response().Status == 0x0000
        parrot.release()
    kept = house.keeper.kept[0].request
    assert (kept.sop_class, kept.sop_instance, kept.transfer_syntax) == (CT, "1.2.3", EXPLICIT)


@pytest.mark.parametrize("longest", [7, 20, 100, 0])
def test_responses_keep_to_the_longest_pdu_of_the_peer(house: House, longest: int) -> None:
    with Parrot(house.port) as parrot:
        parrot.associate(request(max_length=longest))
        parrot.say(message(3, store("1.2.3.4"), DATA))
        assert parrot.response().AffectedSOPInstanceUID == "1.2.3.4"
        parrot.release()


@pytest.mark.parametrize("ending", [RELEASE, ABORT, b""], ids=["release", "abort", "hang-up"])
def test_an_object_that_does_not_arrive_whole_is_forgotten(house: House, ending: bytes) -> None:
    with Parrot(house.port) as parrot:
        parrot.associate()
        whole = message(3, store(), DATA, size=1000)
        parrot.say(whole[: len(whole) - 1000 - 12], ending)
        if ending != RELEASE:
            parrot.socket.close()
        else:
            assert parrot.hear() == (6, bytes(4))
    event = house.next_event()
    assert event.stored == 0
    assert event.received
    assert (house.keeper.open, house.keeper.aborted) == (0, 1)
    assert list(house.keeper.folder.iterdir()) == []


def test_a_release_ends_the_association_in_order(house: House, parrot: Parrot) -> None:
    parrot.release()
    with pytest.raises(EOFError):
        parrot.hear()
    assert house.next_event().ending.kind == "released"


def test_an_abort_ends_the_association(house: House, parrot: Parrot) -> None:
    parrot.say(ABORT)
    assert parrot.aborted() is None
    assert house.next_event().ending.kind == "aborted"


def test_a_peer_that_hangs_up_between_messages_is_lost(tmp_path: Path) -> None:
    with running_house(tmp_path) as house:
        with Parrot(house.port) as parrot:
            parrot.associate()
        assert house.next_event().ending.kind == "lost"
