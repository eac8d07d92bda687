"""C-STORE on both engines: what arrives is what was sent, byte for byte, in every syntax."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE

from tests.support.dcmtk import dcmtk, storescp
from tests.support.door import ENGINES, House, running_house
from tests.support.parrot import (
    CT,
    EXPLICIT,
    Parrot,
    message,
    pdu,
    pieces,
    request,
    store,
)
from tests.support.part10 import Part10, bundled, read_part10

# One real file for each way of encoding (all bundled with pydicom).
FILES = {
    "implicit": "MR_small_implicit.dcm",
    "explicit": "CT_small.dcm",
    "big-endian": "MR_small_bigendian.dcm",
    "deflated": "image_dfl.dcm",
    "rle": "MR_small_RLE.dcm",
    "jpeg-baseline": "SC_rgb_small_odd_jpeg.dcm",
    "jpeg-lossless": "SC_rgb_jpeg_gdcm.dcm",
    "jpeg-ls": "MR_small_jpeg_ls_lossless.dcm",
    "jpeg-2000": "JPEG2000.dcm",
}
PRIVATE_SYNTAX = "1.2.840.113619.5.2"
TRANSFER_SYNTAXES = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]


@pytest.fixture(params=ENGINES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with running_house(tmp_path, request.param) as running:
        yield running


def send(parrot: Parrot, sent: Part10, size: int) -> None:
    parrot.say(message(1, store(sent.sop_instance, sent.sop_class), sent.data, size))
    assert parrot.response().Status == 0x0000


def assert_kept(house: House, sent: Part10) -> None:
    kept = house.keeper.kept[-1]
    assert kept.data == sent.data
    assert kept.request.door == "dimse"
    assert kept.request.sop_class == sent.sop_class
    assert kept.request.sop_instance == sent.sop_instance
    assert kept.request.transfer_syntax == sent.transfer_syntax


@pytest.mark.parametrize("size", [16000, 1001, 13])
@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_a_data_set_is_kept_as_it_came_however_it_was_cut(
    house: House, name: str, size: int
) -> None:
    sent = bundled(name)
    with Parrot(house.port) as parrot:
        proposal = (1, sent.sop_class, [sent.transfer_syntax])
        assert parrot.associate(request([proposal])) == {1: (0, sent.transfer_syntax)}
        send(parrot, sent, size)
        parrot.release()
    assert_kept(house, sent)
    assert house.keeper.kept[0].request.calling_ae == "PARROT"


def test_every_transfer_syntax_of_the_standard_and_private_ones_are_kept(house: House) -> None:
    """The door looks at no byte of a data set, so these need not be pictures."""
    syntaxes = [*TRANSFER_SYNTAXES, PRIVATE_SYNTAX]
    proposals = [(2 * n + 1, CT, [syntax]) for n, syntax in enumerate(syntaxes)]
    with Parrot(house.port) as parrot:
        results = parrot.associate(request(proposals))
        assert results == {number: (0, syntaxes) for number, _, [syntaxes] in proposals}
        for number, _, [syntax] in proposals:
            parrot.say(message(number, store(f"1.2.{number}"), syntax.encode()))
            assert parrot.response().Status == 0x0000
        parrot.release()
    kept = {item.request.transfer_syntax: item.data.decode() for item in house.keeper.kept}
    assert kept == {syntax: syntax for syntax in syntaxes}


def test_one_association_carries_many_objects_and_they_do_not_mix(house: House) -> None:
    names = ("CT_small.dcm", "MR_small.dcm", "rtdose.dcm", "rtplan.dcm")
    sent = [bundled(name) for name in names]
    proposals = [(2 * n + 1, s.sop_class, [s.transfer_syntax]) for n, s in enumerate(sent)]
    with Parrot(house.port) as parrot:
        parrot.associate(request(proposals))
        for number, item in enumerate(sent * 3):
            context = 2 * (number % len(sent)) + 1
            command_set = store(item.sop_instance, item.sop_class, message=number)
            parrot.say(message(context, command_set, item.data))
            answer = parrot.response()
            assert (answer.Status, answer.MessageIDBeingRespondedTo) == (0, number)
            assert answer.AffectedSOPInstanceUID == item.sop_instance
            assert answer.AffectedSOPClassUID == item.sop_class
        parrot.release()
    assert [kept.data for kept in house.keeper.kept] == [item.data for item in sent * 3]
    event = house.next_event()
    assert (event.ending.kind, event.stored, event.refused) == ("released", 12, 0)
    assert event.received == sum(len(item.data) for item in sent * 3)


def test_several_values_share_a_pdu_and_a_command_shares_it_with_its_data(house: House) -> None:
    sent = bundled("CT_small.dcm")
    values = pieces(1, 1, store(sent.sop_instance), 40) + pieces(1, 0, sent.data, 3000)
    with Parrot(house.port) as parrot:
        parrot.associate(request([(1, CT, [EXPLICIT])], max_length=0))
        parrot.say(pdu(4, b"".join(values)))
        assert parrot.response().Status == 0x0000
        parrot.release()
    assert_kept(house, sent)


def test_values_without_a_byte_are_taken(house: House) -> None:
    sent = bundled("CT_small.dcm")
    empty = [b"\0\0\0\2\1\1", b"\0\0\0\2\1\0"]
    with Parrot(house.port) as parrot:
        parrot.associate(request([(1, CT, [EXPLICIT])]))
        parrot.say(pdu(4, empty[0]), message(1, store(sent.sop_instance)))
        parrot.say(pdu(4, empty[1]), *(pdu(4, v) for v in pieces(1, 0, sent.data, 9999)[:-1]))
        parrot.say(pdu(4, empty[1]), pdu(4, pieces(1, 0, sent.data, 9999)[-1]))
        assert parrot.response().Status == 0x0000
        parrot.release()
    assert_kept(house, sent)


@pytest.mark.peers
@pytest.mark.parametrize("nodelay", [True, False], ids=["nodelay", "as-packaged"])
def test_dcmtk_sends_with_and_without_nagle(house: House, nodelay: bool) -> None:
    sent = bundled("CT_small.dcm")
    for tool in ("storescu", "dcmsend"):
        port = str(house.port)
        dcmtk(tool, "-aec", "TRIPTYCH", "127.0.0.1", port, sent.path, nodelay=nodelay)
    dcmtk("echoscu", "-aec", "TRIPTYCH", "127.0.0.1", str(house.port), nodelay=nodelay)
    assert len(house.keeper.kept) == 2
    assert {house.next_event().calling.calling_ae for _ in range(3)} == {
        "STORESCU",
        "DCMSEND",
        "ECHOSCU",
    }


@pytest.mark.peers
@pytest.mark.parametrize("name", FILES.values(), ids=FILES)
def test_dcmtk_finds_here_what_its_own_receiver_keeps(
    house: House, name: str, tmp_path: Path
) -> None:
    """The oracle is `storescp +B`, which writes the data set exactly as it came."""
    sent = bundled(name)
    arguments = ("-dn", "-aec", "TRIPTYCH", "127.0.0.1")
    dcmtk("dcmsend", *arguments, str(house.port), sent.path)
    with storescp(tmp_path / "oracle") as (port, folder):
        dcmtk("dcmsend", *arguments, str(port), sent.path)
    [oracle] = [read_part10(path) for path in folder.iterdir()]
    kept = house.keeper.kept[0]
    assert kept.data == oracle.data
    assert kept.request.transfer_syntax == oracle.transfer_syntax


def test_pynetdicom_sends(house: House) -> None:
    data_set = dcmread(bundled("CT_small.dcm").path)
    scu = AE("PYNETDICOM")
    scu.add_requested_context(data_set.SOPClassUID, data_set.file_meta.TransferSyntaxUID)
    association = scu.associate("127.0.0.1", house.port, ae_title="TRIPTYCH")
    assert association.is_established
    assert association.send_c_store(data_set).Status == 0x0000
    association.release()
    event = house.next_event()
    assert (event.ending.kind, event.stored) == ("released", 1)
    kept = house.keeper.kept[0]
    assert kept.request.sop_instance == data_set.SOPInstanceUID
    assert len(kept.data) == event.received
