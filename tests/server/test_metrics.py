"""`/metrics` told from outside: what went through each door, what waits, and who may know; and the log."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.crash.objects import make
from server.flows.metrics import METRICS
from server.flows.sites import COUNTERS
from server.store.counters import SIZE, Counters, key_of, sheets
from tests.support.hl7_builder import PID, packed
from tests.support.mllp import send as send_hl7
from tests.support.modality import send
from tests.support.prometheus import read, scrape
from tests.support.server import Server, running
from tests.support.waiting import until
from tests.support.web import web

ADT = "ADT^A08^ADT_A01"
TOKEN = "a token for monitors alone"
ELSEWHERE = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("measured")
    with running(data, LOG_FORMAT="json", METRICS_TOKEN=TOKEN, HTTP_WORKERS="2") as started:
        yield started


def test_every_door_is_counted_and_nobody_is_named(server: Server) -> None:
    ours = [make("metrics", "CT1", number, 4_000) for number in range(5)]
    before = scrape(server)
    assert send(server.dimse, *(one.file for one in ours[:3]), ours[0].file) == [0, 0, 0, 0]
    assert web(server).store(*(one.file for one in ours[3:])).status_code == 200
    messages = [packed(ADT, PID, control=str(number)) for number in range(3)]
    assert send_hl7(server.mllp, *messages, packed(ADT, PID, version="9")) == ["AA"] * 3 + ["AR"]
    known = web(server, "system/*.rs")
    answers = [known.get(f"{server.base}/fhir/Patient/nobody-{n}") for n in range(7)]
    assert {one.status_code for one in answers} == {404}

    def told() -> bool:
        return scrape(server).sum("hl7_applied_total", state="applied") == 3

    until(told, "the messages are applied")
    until(lambda: scrape(server).sum("connections_total", door="dimse") == 1, "the association")
    until(lambda: scrape(server).sum("objects_stored") == 5, "the stock, counted anew")
    after = scrape(server)
    assert after.sum("objects_received_total", door="dimse", outcome="kept") == 3
    assert after.sum("objects_received_total", door="dimse", outcome="duplicate") == 1
    assert after.sum("objects_received_total", outcome="kept") == 5
    assert after.sum("hl7_received_total", outcome="kept") == 3
    assert after.sum("hl7_received_total", outcome="refused") == 1
    assert after.sum("hl7_messages") == 0
    assert after.sum("received_bytes_total", door="mllp") > sum(map(len, messages))
    assert after.sum("received_bytes_total", door="dicomweb") > sum(len(o.file) for o in ours[3:])
    assert after.sum("sent_bytes_total", door="fhir") >= sum(len(one.content) for one in answers)
    route = "/fhir/<type>/<id>"
    assert after.sum("http_requests_total", route=route, status="4xx", method="GET") == 7
    assert after.sum("http_requests_total", route="/metrics") > before.sum("http_requests_total")
    assert after.sum("jobs_total", kind="settle", outcome="done") > 0
    text = server.get("/metrics").text
    assert [word for word in ("nobody-", "HOSP", "Sample", ours[0].uid) if word in text] == []
    assert {f"triptych_{one.name}" for one in METRICS} == set(read(text).kinds)


def test_what_is_open_and_who_runs_is_told(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.mllp)):
        until(lambda: scrape(server).sum("connections_open", door="mllp") == 1, "it is open")
    until(lambda: scrape(server).sum("connections_open", door="mllp") == 0, "it is gone")
    told = scrape(server)
    roles = {role: told.sum("processes", role=role) for role in ("web", "dimse", "mllp", "worker")}
    assert roles == {"web": 2, "dimse": 1, "mllp": 1, "worker": 1}
    assert 0 <= told.sum("worker_heartbeat_age_seconds", thread="jobs") < 60
    assert told.sum("disk_free_bytes") > told.sum("disk_reserve_bytes") > 0
    assert told.sum("build_info") == 1


def test_counts_outlive_the_child_that_counted_and_what_it_held_does_not(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.mllp)):
        until(lambda: scrape(server).sum("connections_open", door="mllp") == 1, "it is open")
        before = scrape(server).sum("hl7_received_total", outcome="kept")
        os.kill(server.children()["mllp"], signal.SIGKILL)
        until(lambda: scrape(server).sum("processes", role="mllp") == 0, "the death is told")
        assert scrape(server).sum("connections_open", door="mllp") == 0
    until(lambda: scrape(server).sum("processes", role="mllp") == 1, "a new child")

    def taken() -> bool:
        try:
            return send_hl7(server.mllp, packed(ADT, PID, control="after")) == ["AA"]
        except OSError:
            return False

    until(taken, "the new child serves")
    assert scrape(server).sum("hl7_received_total", outcome="kept") == before + 1


def test_metrics_are_for_this_machine_named_networks_and_a_token(server: Server) -> None:
    passed_on = dict.fromkeys(("Forwarded", "Via", "X-Real-Ip"), "x") | ELSEWHERE
    for name, value in passed_on.items():
        assert server.get("/metrics", **{name: value}).status_code == 403, name
    assert server.get("/metrics", "no token of ours", **ELSEWHERE).status_code == 403
    assert server.get("/metrics", TOKEN, **ELSEWHERE).status_code == 200


def test_a_log_line_is_json_and_names_the_route_not_the_address(server: Server) -> None:
    wanted = "told.by-the:caller"
    answer = server.get("/fhir/Patient/somebody?family=Sample", X_Request_Id=wanted)
    assert answer.headers["X-Request-Id"] == wanted

    def line() -> dict[str, object] | None:
        lines = [json.loads(one) for one in server.log.read_text().splitlines()]
        return next((one for one in lines if one.get("request") == wanted), None)

    told = until(line, "the line of the request")
    assert told is not None
    assert (told["role"], told["route"], told["status"]) == ("web", "/fhir/<type>/<id>", 401)
    assert re.fullmatch(r"GET /fhir/<type>/<id> 401 in \d+\.\d ms", str(told["message"]))
    text = server.log.read_text()
    assert "somebody" not in text
    assert "family" not in text
    assert [one for one in text.splitlines() if '"role": "mllp"' in one and '"request"' in one]


def test_a_full_file_of_counts_takes_no_more_and_harms_nobody(tmp_path: Path) -> None:
    counters = Counters(tmp_path / COUNTERS, "web-1")
    counters.add("first_total", 3)
    for number in range(SIZE // 64):
        counters.add("many_total", route=f"{number:040}")
    counters.add("first_total", 4)
    (sheet,) = sheets(tmp_path / COUNTERS)
    assert sheet.lives
    assert sheet.numbers[key_of("first_total", {})] == 7
    assert len(sheet.numbers) < SIZE // 64
    counters.close()
    assert [one.lives for one in sheets(tmp_path / COUNTERS)] == [False]
