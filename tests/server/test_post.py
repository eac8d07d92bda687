"""Mail on its way: headers that cannot be broken open, TLS as configured, settings that are safe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server import config as settings
from server.config import BadSetting
from server.errors import Busy
from server.flows import post
from server.flows.post import Letter
from tests.support.certificates import self_signed
from tests.support.mail import Office, office
from tests.support.mailing import ALICE, SENDER


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


def config(url: str, **more: str) -> settings.Config:
    given = {"SMTP_URL": url, "SMTP_SENDER": SENDER} | more
    return settings.load({f"TRIPTYCH_{name}": value for name, value in given.items()})


LETTER = Letter("1", 1, ALICE, "subject", "text", "en")


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_mail_is_sent_over_tls_to_the_server_that_its_certificate_names(
    tmp_path: Path, scheme: str
) -> None:
    ours, theirs = self_signed(tmp_path / "ours"), self_signed(tmp_path / "theirs")
    with office(ours, at_once=scheme == "smtps") as post_office:
        url = f"{scheme}://us%40x:p%3A1@localhost:{post_office.port}"
        post.deliver(config(url, SMTP_CA=str(ours[0])), LETTER)
        assert post_office.logins == ["\0us@x\0p:1"]
        assert len(post_office.mails) == 1
        with pytest.raises(Busy, match="SSLCertVerificationError"):
            post.deliver(config(url, SMTP_CA=str(theirs[0])), LETTER)
        assert len(post_office.mails) == 1


def test_a_server_without_starttls_gets_neither_password_nor_mail(post_office: Office) -> None:
    with pytest.raises(Busy, match="no mail now"):
        post.deliver(config(f"smtp://u:p@localhost:{post_office.port}"), LETTER)
    assert (post_office.logins, post_office.mails) == ([], [])


def test_a_server_that_drips_is_cut_when_its_time_is_over(
    post_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "_LONGEST", 0.3)
    post_office.held.add("MAIL")
    with pytest.raises(Busy, match="no mail now"):
        post.deliver(config(f"smtp+plain://localhost:{post_office.port}"), LETTER)
    post_office.go.set()


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
