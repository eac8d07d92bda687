"""FHIR writes through a crash: what was answered is there, whole, with its audit and Provenance."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from server.store.fhir_tables import resource, resource_version
from server.store.tables import audit
from tests.support.houses import opened
from tests.support.scribe import number, order, scribe

pytestmark = pytest.mark.slow
TRIES = 24


def test_what_was_answered_is_there_with_its_audit_and_provenance(tmp_path: Path) -> None:
    with scribe(tmp_path) as pen:
        alice = pen.patients["Alice"]

        def post(n: int) -> str:
            if n == TRIES // 2:
                pen.server.process.kill()
            body = order(alice, identifier=[number(str(n))])
            try:
                answer = pen.ask("POST", "ServiceRequest", body)
            except requests.ConnectionError:
                return ""
            return str(answer.json()["id"]) if answer.status_code == 201 else ""

        with ThreadPoolExecutor(3) as pool:
            made = list(filter(None, pool.map(post, range(TRIES))))
        pen.server.process.wait()
    assert made
    with opened(tmp_path) as house, house.database.read() as connection:
        mine = resource.c.type == "ServiceRequest"
        ids = set(connection.execute(select(resource.c.id).where(mine)).scalars())
        origins = resource.c.type == "Provenance"
        told = connection.execute(select(func.count()).where(origins)).scalar()
        kept = resource_version.c.type == "ServiceRequest"
        versions = connection.execute(select(func.count()).where(kept)).scalar()
        created = (audit.c.action == "create", audit.c.door == "fhir")
        events = connection.execute(select(func.count()).where(*created)).scalar()
    assert set(made) <= ids
    assert len(ids) == told == versions == events
