"""Notices of a real server: owed before a crash, sent once after it; codes asked for on the page."""

import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from server.store.tables import study
from tests.support import houses, logs
from tests.support.holder import Holder
from tests.support.keyring import keyring
from tests.support.mail import Office, office
from tests.support.server import Server, running
from tests.support.waiting import until

pytestmark = pytest.mark.slow
ALICE = "alice@home.example"


def furnish(server: Server) -> str:
    """A patient with a study and a checked address."""
    with keyring(server) as keys:
        patient = houses.add_patient(keys.house, "1")
        with keys.house.database.write() as connection:
            values = {"organisation": 1, "uid": "1.2.1", "id": "study-1", "claim": 0}
            connection.execute(
                study.insert().values(**values, subject=patient, filed_under=patient)
            )
    kept = server.run("contact", "set", "--patient", patient, "--mail", ALICE, "--language", "es")
    assert kept == {"patient": patient, "language": "es"}
    return patient


def started(folder: Path, post_office: Office) -> AbstractContextManager[Server]:
    url = f"smtp+plain://127.0.0.1:{post_office.port}"
    return running(folder, HTTP_WORKERS="1", SMTP_URL=url, SMTP_SENDER="noreply@stmary.example")


def subjects(post_office: Office) -> list[str]:
    return [str(mail["Subject"]) for mail in post_office.mails]


def test_a_mail_that_is_owed_when_the_server_is_killed_is_sent_once_after_it(
    tmp_path: Path,
) -> None:
    with office() as post_office:
        post_office.held.add("MAIL")
        with started(tmp_path, post_office) as server:
            patient = furnish(server)
            made = server.run("share", "--patient", patient, "--factor", "otp", "--mail")
            token = logs.keep_out(made["url"].rpartition("/")[2])
            assert "otp" not in made
            assert post_office.came.wait(30)
            server.process.kill()
            server.process.wait()
        post_office.held.clear()
        post_office.go.set()
        with started(tmp_path, post_office) as server:
            until(lambda: subjects(post_office) == ["Un enlace para usted"], "the mail")
            holder = Holder(server.base)
            assert "Enviarme un código" in holder.get(f"/s/{token}", Accept_Language="es").text
            unknown = holder.answer("/s/ounknown/code")
            assert holder.answer(f"/s/{token}/code").text.replace(token, "ounknown") == unknown.text
            until(lambda: subjects(post_office)[1:] == ["Su código"], "the code")
            (code,) = re.findall(r"\b\d{6}\b", str(post_office.mails[1].get_content()))
            assert holder.answer(f"/s/{token}", factor=logs.keep_out(code)).status_code == 303
