"""Our sender counts a message as delivered only by the answer that names it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from hl7.errors import NoReply
from hl7.framing import frame
from hl7.message import parse
from hl7.sender import Sender, send
from tests.support.hl7_builder import PID, packed
from tests.support.mllp_door import PATIENCE, running_ward


def adt(control: str) -> bytes:
    return packed("ADT^A08", PID, control=control)


def reply(control: str) -> bytes:
    return frame(f"MSH|^~\\&|P|H|R|H|2026||ACK|1|P|2.5\rMSA|AA|{control}\r".encode())


@contextmanager
def answering(*said: bytes) -> Iterator[int]:
    """A listener that says this after the first bytes it hears, and hangs up at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(65536)
                for data in said:
                    connection.sendall(data)
                while said and connection.recv(65536):
                    pass

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)


def test_messages_are_sent_one_after_the_other() -> None:
    with running_ward() as ward:
        answers = send("127.0.0.1", ward.port, [adt("A"), adt("B")])
        assert [parse(one).first("MSA").text(2) for one in answers] == ["A", "B"]
        assert ward.taken == [adt("A"), adt("B")]


def test_an_answer_to_another_message_is_passed_over() -> None:
    said = [frame(b"noise"), reply("OTHER"), frame(b"MSH|^~\\&|x\r"), reply("A")]
    for stream in (said, [b"".join(said)]):
        with answering(*stream) as port, Sender("127.0.0.1", port, seconds=5) as sender:
            assert parse(sender.send(adt("A"))).first("MSA").text(2) == "A"


def test_an_answer_without_its_last_byte_is_an_answer() -> None:
    with answering(reply("A")[:-1]) as port, Sender("127.0.0.1", port, seconds=5) as sender:
        assert b"MSA|AA|A" in sender.send(adt("A"))


def test_silence_is_no_answer() -> None:
    with (
        answering(reply("OTHER")) as port,
        Sender("127.0.0.1", port, seconds=0.1) as sender,
        pytest.raises(NoReply, match="in time"),
    ):
        sender.send(adt("A"))


def test_hanging_up_is_no_answer() -> None:
    with (
        answering() as port,
        Sender("127.0.0.1", port, seconds=5) as sender,
        pytest.raises(NoReply, match="broke"),
    ):
        sender.send(adt("A"))
