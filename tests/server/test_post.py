"""Mail on its way: headers that cannot be broken open, TLS as configured, settings that are safe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server import config as settings
from server.config import BadSetting
from server.flows import post
from server.flows.post import Letter
from tests.support.certificates import self_signed
from tests.support.mail import Office, office
from tests.support.mailing import ALICE, SENDER, mailed, sending, work


@pytest.fixture
def post_office() -> Iterator[Office]:
    with office() as made:
        yield made


@pytest.mark.parametrize("field", ["to", "subject", "id"])
def test_no_header_of_a_mail_can_be_broken_open(field: str) -> None:
    words = {"id": "1", "to": ALICE, "subject": "s"} | {field: "x\r\nBcc: all@b.example"}
    letter = Letter(at=1, text="t", language="en", **words)
    with pytest.raises(ValueError, match=r"linefeed|newline|CR|contain"):
        post.written(SENDER, letter)


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_mail_is_sent_over_tls_to_the_server_that_its_certificate_names(
    tmp_path: Path, scheme: str
) -> None:
    ours, theirs = self_signed(tmp_path / "ours"), self_signed(tmp_path / "theirs")
    with office(ours, at_once=scheme == "smtps") as post_office:
        url = f"{scheme}://us%40x:p%3A1@localhost:{post_office.port}"
        with sending(tmp_path / "a", url, SMTP_CA=str(ours[0])) as house:
            mailed(house)
            work(house)
        assert post_office.logins == ["\0us@x\0p:1"]
        assert len(post_office.mails) == 1
        with sending(tmp_path / "b", url, SMTP_CA=str(theirs[0])) as house:
            mailed(house)
            work(house)
        assert len(post_office.mails) == 1


def test_a_server_without_starttls_gets_neither_password_nor_mail(
    tmp_path: Path, post_office: Office
) -> None:
    with sending(tmp_path, f"smtp://u:p@localhost:{post_office.port}") as house:
        mailed(house)
        work(house)
    assert (post_office.logins, post_office.mails) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"SMTP_URL": "smtp+plain://mail.example", "SMTP_SENDER": SENDER},
        {"SMTP_URL": "smtps://mail.example"},
        {"SMTP_URL": "mail.example", "SMTP_SENDER": SENDER},
        {"SMTP_SENDER": "St Mary <a@b.example>"},
        {"STAFF_MAIL": "a@b.example, c@b.example"},
    ],
)
def test_settings_that_would_mail_in_clear_or_from_nobody_are_refused(
    wrong: dict[str, str],
) -> None:
    with pytest.raises(BadSetting):
        settings.load({f"TRIPTYCH_{name}": value for name, value in wrong.items()})
