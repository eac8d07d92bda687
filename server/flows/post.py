"""Mail to others by SMTP (RFC 5321): the one module that sends it, within a limit of time."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from server.clock import moment
from server.config import Config
from server.errors import Busy, Invalid

# For each answer, and for all of them: a server that drips must not hold us, nor outlive the
# job's lease.
_SECONDS = 10.0
_LONGEST = 60.0
_PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail. `id` and `at` make it the same mail however often it is sent."""

    id: str
    at: int
    to: str
    subject: str
    text: str
    language: str


class Refused(Invalid):
    """The server said for good that it does not take this mail."""


def deliver(config: Config, letter: Letter) -> None:
    """Hand a mail over. Raises Busy when it may work later, Refused when it never will."""
    body = written(config.smtp_sender, letter)
    try:
        with _session(config) as session:
            session.sendmail(config.smtp_sender, [letter.to], body)
    except smtplib.SMTPRecipientsRefused as refused:
        _judge(max(code for code, _ in refused.recipients.values()))
    except smtplib.SMTPDataError as refused:
        _judge(refused.smtp_code)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Busy(f"the mail server takes no mail now: {type(error).__name__}") from error


def _judge(code: int) -> None:
    """A refusal with a code of 500 or more is for good (RFC 5321 4.2.1)."""
    if code >= 500:
        raise Refused(f"the mail server refused it: {code}")
    raise Busy(f"the mail server does not take it now: {code}")


def written(sender: str, letter: Letter) -> bytes:
    """The mail in the form in which it travels (RFC 5322); a header cannot be broken open."""
    message = EmailMessage(SMTP)
    message["From"], message["To"] = sender, letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(moment(letter.at))
    message["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message["Content-Language"] = letter.language
    return message.as_bytes()


@contextmanager
def _session(config: Config) -> Iterator[smtplib.SMTP]:
    """A session with the mail server, secured as configured and cut when its time is over."""
    parts = urlsplit(config.smtp_url)
    smtp = _unconnected(config, parts)
    timer = threading.Timer(_LONGEST, _cut, (smtp,))
    timer.start()
    try:
        smtp.connect(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        if parts.scheme == "smtp":
            smtp.starttls(context=_tls(config))
        if parts.username:
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
        yield smtp
        with suppress(smtplib.SMTPException, OSError):  # it has the mail: how it parts is its own
            smtp.quit()
    finally:
        timer.cancel()
        timer.join()
        smtp.close()


def _unconnected(config: Config, parts: SplitResult) -> smtplib.SMTP:
    """A client that can be cut from the first byte on: it is made before it connects."""
    us = config.smtp_sender.rpartition("@")[2]  # its own way would ask the name service
    made = (
        smtplib.SMTP_SSL(local_hostname=us, timeout=_SECONDS, context=_tls(config))
        if parts.scheme == "smtps"
        else smtplib.SMTP(local_hostname=us, timeout=_SECONDS)
    )
    made._host = parts.hostname or ""  # type: ignore[attr-defined]  # whom the certificate names
    return made


def _tls(config: Config) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.smtp_ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _cut(smtp: smtplib.SMTP) -> None:
    if smtp.sock is not None:
        with suppress(OSError):
            smtp.sock.shutdown(socket.SHUT_RDWR)
