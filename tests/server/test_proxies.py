"""Who called is told by the connection, and by X-Forwarded-For only where a trusted proxy wrote it."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select

from server import clock
from server import config as settings
from server.app import create_app
from server.config import BadSetting
from server.flows import throttle
from server.flows.accounts import MOST_FROM_BLOCK
from server.store.tables import audit
from tests.support.houses import opened

PROXY = "10.1.0.7"


def recorded(folder: Path, trusted: str, peer: str, forwarded: str) -> str:
    """The address in the audit event of a refused request."""
    with opened(folder, TRUSTED_PROXIES=trusted) as house:
        caller = create_app(house).test_client()
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        answer = caller.get(
            "/fhir/Patient", headers=headers, environ_overrides={"REMOTE_ADDR": peer}
        )
        assert answer.status_code == 401
        with house.database.read() as connection:
            return str(connection.execute(select(audit.c.address)).scalar_one())


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "told"),
    [
        ("", PROXY, "198.51.100.9", PROXY),
        ("10.1.0.0/16", PROXY, "198.51.100.9", "198.51.100.9"),
        ("10.1.0.0/16", PROXY, "", PROXY),
        ("10.1.0.0/16", "192.0.2.5", "198.51.100.9", "192.0.2.5"),
        ("10.1.0.0/16", PROXY, "198.51.100.9, 192.0.2.44", "192.0.2.44"),
        ("10.1.0.0/16", PROXY, "198.51.100.9, 10.1.2.3", "198.51.100.9"),
        ("10.1.0.7, 2001:db8::/32", "2001:db8::1", "198.51.100.9", "198.51.100.9"),
        ("10.1.0.7", PROXY, "<script>", PROXY),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy_called(
    tmp_path: Path, trusted: str, peer: str, forwarded: str, told: str
) -> None:
    assert recorded(tmp_path, trusted, peer, forwarded) == told


def test_guesses_are_counted_where_they_come_from_and_not_at_the_proxy(tmp_path: Path) -> None:
    with opened(tmp_path, TRUSTED_PROXIES="10.1.0.0/16") as house:
        with house.database.write() as connection:
            for _ in range(MOST_FROM_BLOCK):
                throttle.count(connection, "login|198.51.100.0/24", now=clock.now())
        caller = create_app(house).test_client()
        csrf = re.search('name="csrf" value="([^"]+)', caller.get("/oauth/login").text)
        assert csrf is not None
        form = {"csrf": csrf[1], "username": "nobody", "password": "wrong"}
        for address, status in (("198.51.100.9", 429), ("192.0.2.44", 401)):
            answer = caller.post(
                "/oauth/login",
                data=form,
                headers={"X-Forwarded-For": address},
                environ_overrides={"REMOTE_ADDR": PROXY},
            )
            assert answer.status_code == status


def test_a_network_that_is_none_stops_the_start() -> None:
    with pytest.raises(BadSetting, match="TRUSTED_PROXIES"):
        settings.load({"TRIPTYCH_TRUSTED_PROXIES": "10.1.0.0/16, everywhere"})
