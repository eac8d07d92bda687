"""A Magic Link through a crash: who was let in stays in, what was used up stays used up."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from server.store.share_tables import share, share_session
from server.store.tables import audit
from tests.support.holder import Holder, link
from tests.support.keyring import keyring
from tests.support.practice import practice
from tests.support.server import running

pytestmark = pytest.mark.slow
TRIES = 12


def test_who_was_let_in_stays_in_and_no_use_is_lost_or_counted_twice(tmp_path: Path) -> None:
    with practice(tmp_path) as surgery:
        made = link(surgery.keys, surgery.patients["Alice"], "pin")
        once = link(surgery.keys, surgery.patients["Alice"], "otp")
        browsers = [Holder(surgery.server.base) for _ in range(TRIES)]

        def enter(number: int) -> bool:
            if number == TRIES // 2:
                surgery.server.process.kill()
            try:
                return browsers[number].open(made).status_code == 303
            except requests.ConnectionError:
                return False

        assert browsers[0].open(once).status_code == 303
        with ThreadPoolExecutor(3) as pool:
            let_in = list(pool.map(enter, range(TRIES)))
        surgery.server.process.wait()
    assert any(let_in)
    with running(tmp_path) as server, keyring(server) as keys:
        for holder, inside in zip(browsers, let_in, strict=True):
            holder.base = server.base
            assert not inside or holder.get("/s/open").status_code == 200
        assert Holder(server.base).open(once).status_code == 403
        with keys.house.database.read() as connection:
            uses = connection.execute(select(share.c.uses).where(share.c.id == made.id)).scalar()
            mine = share_session.c.share == made.id
            sessions = connection.execute(select(func.count()).where(mine)).scalar()
            logins = (audit.c.grant == made.id, audit.c.action == "login", audit.c.outcome == "0")
            told = connection.execute(select(func.count()).where(*logins)).scalar()
        assert uses == sessions == told
        assert (uses or 0) >= sum(let_in)
