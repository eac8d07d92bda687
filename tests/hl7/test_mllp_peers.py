"""Senders that others wrote deliver their messages, over TLS too."""

import json
import ssl
from pathlib import Path

import pytest

from tests.support.certificates import self_signed
from tests.support.hl7_builder import PID, obr, obx, packed
from tests.support.mllp_door import running_ward
from tests.support.mllp_peers import node_hl7, python_hl7

pytestmark = [pytest.mark.peers, pytest.mark.slow]

MESSAGES = [
    packed("ADT^A08^ADT_A01", "EVN|A08|20260905", PID, control="N1"),
    packed(
        "ORU^R01^ORU_R01",
        PID,
        obr(f1="1", f3="F1", f4="A^B^L", f25="F"),
        obx("TX", "&IMP", "é"),
        control="N2",
    ),
    packed("ADT^A08^ADT_A01", "EVN|A08|20260905", "PID|1||||Doe", control="N3"),
]
ANSWERS = ["AA N1", "AA N2", "AE N3"]


def test_python_hl7_delivers_and_reads_its_answers(tmp_path: Path) -> None:
    with running_ward() as ward:
        printed = python_hl7(ward.port, MESSAGES, tmp_path)
        assert ward.taken == [message.strip(b"\r") for message in MESSAGES]
    for answer in ANSWERS:
        assert "MSA|" + answer.replace(" ", "|") in printed


def test_node_hl7_client_delivers_and_reads_its_answers(tmp_path: Path) -> None:
    with running_ward() as ward:
        assert node_hl7(ward.port, MESSAGES, tmp_path) == ANSWERS
        assert len(ward.taken) == len(MESSAGES)


def test_node_hl7_client_delivers_over_mutual_tls(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "peer").mkdir()
    own, peer = self_signed(tmp_path / "own"), self_signed(tmp_path / "peer")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(peer[0])
    told = {"cert": str(peer[0]), "key": str(peer[1]), "ca": str(own[0]), "servername": "localhost"}
    with running_ward(tls=context) as ward:
        assert node_hl7(ward.port, MESSAGES, tmp_path, json.dumps(told)) == ANSWERS
        assert ward.callers[0].names == ("localhost",)
