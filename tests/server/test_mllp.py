"""The MLLP door of the running server: what it acknowledged it has, whatever befalls it."""

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hl7 import batch
from hl7.message import parse
from server.flows.sites import House
from server.store.hl7_tables import message
from tests.support.hl7_builder import PID, packed
from tests.support.keyring import keyring
from tests.support.mllp import send, sender
from tests.support.server import Server, running
from tests.support.waiting import until

ADT = "ADT^A08^ADT_A01"
PEOPLE = range(100, 104)


def messages(server: Server) -> list[dict[str, Any]]:
    done = server.run("hl7", "list", check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def person(number: int, given: str) -> str:
    return PID.replace("100^", f"{number}^").replace("Ann", given)


def test_a_message_makes_a_patient_that_a_client_finds(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert send(server.mllp, packed(ADT, PID)) == ["AA"]
        token = server.token("system/*.rs")

        def found() -> Any:
            answer = server.get("/fhir/Patient?family=Sample", token).json()
            return answer.get("entry")

        (entry,) = until(found, "the patient")
        patient = entry["resource"]
        assert patient["name"][0]["given"] == ["Ann"]
        assert patient["meta"]["source"] == "urn:hl7v2:RIS:HOSP#MSG1"
        (one,) = messages(server)
        shown = server.run("hl7", "show", str(one["id"]))
        assert shown["state"] == "applied"
        assert [effect["type"] for effect in shown["effects"]] == ["Patient", "Provenance"]


def test_a_feed_is_told_by_what_its_messages_say_of_their_sender(tmp_path: Path) -> None:
    mrn = "https://stmary.example/mrn"
    with running(tmp_path, OPEN_DOORS="none") as server:
        server.run("feed", "add", "ris", "--app", "RIS", "--issuer", mrn, "--owns", mrn)
        bare = PID.replace("100^^^HOSP^MR", "100")
        assert send(server.mllp, packed(ADT, bare), packed(ADT, bare, application="LAB")) == [
            "AA",
            "AR",
        ]
        token = server.token("system/*.rs")
        address = f"/fhir/Patient?identifier={mrn}|100"
        until(lambda: server.get(address, token).json().get("entry"), "the patient")


def test_kill_9_loses_and_doubles_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        acknowledged: list[str] = []
        # The systems of numbers that name no URI begin with our own address.
        ports: dict[str, Any] = {"HTTP_PORT": str(server.http), "MLLP_PORT": str(server.mllp)}

        def stream(number: int) -> None:
            try:
                with sender(server.mllp) as one:
                    for step in range(1000):
                        control = f"P{number}S{step}"
                        text = packed(ADT, person(number, f"G{step}"), control=control)
                        if one.send(text) == "AA":
                            acknowledged.append(control)
            except OSError:
                return

        threads = [threading.Thread(target=stream, args=(n,)) for n in PEOPLE]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 40, "messages before the crash")
        for child in server.children().values():
            os.kill(child, signal.SIGKILL)
        server.process.kill()
        server.process.wait()
        for thread in threads:
            thread.join()
        with running(server.data, **ports) as heir:
            until(lambda: not any(m["state"] == "pending" for m in messages(heir)), "all applied")
            _hold(heir, acknowledged)


def test_a_batch_that_kill_9_broke_is_kept_once_when_it_is_sent_again(tmp_path: Path) -> None:
    count = 600
    each = [packed(ADT, person(100 + n % 5, f"G{n}"), control=f"B{n}") for n in range(count)]
    raw = b"BHS|^~\\&|RIS|HOSP\r" + b"".join(each) + b"BTS|600\r"
    with running(tmp_path) as server, keyring(server) as keys, sender(server.mllp) as one:
        one.connection.sendall(b"\x0b" + raw + b"\x1c\r")
        until(lambda: kept(keys.house), "the first messages of the batch")
        door = server.children()["mllp"]
        os.kill(door, signal.SIGKILL)
        until(lambda: server.children().get("mllp", door) != door, "a new door")
        until(lambda: listens(server.mllp), "its port")
        with sender(server.mllp) as again:
            answer = again.answer_to(raw)
        told = [parse(part).first("MSA").text(1) for part in batch.messages(answer)]
        assert told == ["AA"] * count
        assert sorted(kept(keys.house)) == sorted(f"B{n}" for n in range(count))


def kept(house: House) -> list[str]:
    """The control ids in the log, without those of duplicates."""
    with house.database.read() as connection:
        query = select(message.c.control_id).where(message.c.state != "duplicate")
        return list(connection.execute(query).scalars())


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def _hold(server: Server, acknowledged: list[str]) -> None:
    """Every acknowledged message is there and was applied once, in the order of its patient."""
    token = server.token("system/*.rs")
    kept: dict[str, int] = {}
    for one in messages(server):
        kept[one["control_id"]] = kept.get(one["control_id"], 0) + 1
    assert set(acknowledged) <= kept.keys()
    assert set(kept.values()) == {1}
    for number in PEOPLE:
        mine = sorted(int(k.partition("S")[2]) for k in kept if k.startswith(f"P{number}S"))
        entries = server.get(f"/fhir/Patient?identifier={number}", token).json()["entry"]
        (patient,) = [entry["resource"] for entry in entries]
        history = server.get(f"/fhir/Patient/{patient['id']}/_history?_count=1000", token).json()
        given = [entry["resource"]["name"][0]["given"] for entry in history["entry"]]
        assert given == [[f"G{step}"] for step in reversed(mine)]
