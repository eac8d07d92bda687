"""Settings: one table that feeds the environment, `--help`, the docs page and its test."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PREFIX = "TRIPTYCH_"


class BadSetting(Exception):
    """A setting that cannot be used; the message names it and says what would be right."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table.

    `kind` is text, path, int, size, secret, zone, networks, file (that is there) or choice:a|b.
    """

    name: str
    kind: str
    default: str
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting("DATA", "path", "./data", "Folder of the embedded database, blobs and keys."),
    Setting(
        "DATABASE_URL",
        "secret",
        "",
        "Database, as postgresql+psycopg://user:password@host/name. Empty: SQLite under DATA.",
    ),
    Setting("HOST", "text", "127.0.0.1", "Address that every listener binds."),
    Setting("HTTP_PORT", "int", "8080", "Port of FHIR, DICOMweb and OAuth. 0: any free port."),
    Setting("DIMSE_PORT", "int", "11112", "Port of the DICOM listener. 0: any free port."),
    Setting("MLLP_PORT", "int", "2575", "Port of the HL7 listener. 0: any free port."),
    Setting(
        "MLLP_TLS_CERTIFICATE",
        "file",
        "",
        "PEM file of our certificate and those above it: HL7 over TLS is served as well.",
    ),
    Setting("MLLP_TLS_KEY", "file", "", "PEM file of that certificate's private key."),
    Setting(
        "MLLP_TLS_CLIENT_CA",
        "file",
        "",
        "PEM file of the authorities, or single certificates, that HL7 senders must be vouched "
        "for by. Empty: senders over TLS need no certificate.",
    ),
    Setting("MLLP_TLS_PORT", "int", "2576", "Port of HL7 over TLS. 0: any free port."),
    Setting(
        "MLLP_PLAIN",
        "choice:auto|on|off",
        "auto",
        "Whether HL7 is served without TLS. auto: unless it is served over TLS and HOST is "
        "reachable from elsewhere.",
    ),
    Setting("BASE_URL", "text", "", "Public address. Empty: http://HOST:HTTP_PORT."),
    Setting("AE_TITLE", "text", "TRIPTYCH", "Our DICOM application entity title."),
    Setting(
        "SETTLE_SECONDS",
        "int",
        "2",
        "A study is settled when no instance has arrived for this many seconds.",
    ),
    Setting(
        "ZONE",
        "zone",
        "",
        "Time zone of `home`, as Europe/Madrid. Empty: times without a zone become dates.",
    ),
    Setting(
        "ISSUER",
        "text",
        "",
        "System URI for patient numbers that arrive at `home` without an issuer. "
        "Empty: they are filed as unissued.",
    ),
    Setting(
        "REALM",
        "text",
        "",
        "Country of `home` whose profiles count, by its two letters, as us: race and ethnicity of "
        "US Core.",
    ),
    Setting(
        "OPEN_DOORS",
        "choice:auto|loopback|none",
        "auto",
        "Serve unknown DICOM and HL7 senders from loopback as the built-in peer and feed "
        "`loopback`. "
        "auto: while HOST is loopback.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        "networks",
        "",
        "Addresses or networks (CIDR), comma separated, whose X-Forwarded-For names the caller.",
    ),
    Setting(
        "LINK_FACTOR",
        "choice:birth-date|pin|otp",
        "birth-date",
        "What a Magic Link asks for when `share` does not say it.",
    ),
    Setting(
        "LINK_PHONE",
        "text",
        "",
        "Telephone number that the pages of Magic Links give for questions.",
    ),
    Setting(
        "SECOND_FACTOR",
        "choice:auto|on|off",
        "auto",
        "Whether operators and privacy officers must sign in with a second factor. auto: unless "
        "HOST and BASE_URL are loopback. All others may.",
    ),
    Setting(
        "SMTP_URL",
        "secret",
        "",
        "Mail server for notices, as smtps://user:password@host (TLS), smtp://user:password@host "
        "(STARTTLS is demanded) or smtp+plain://localhost (this machine alone). Empty: no mail.",
    ),
    Setting("SMTP_SENDER", "text", "", "Address that notices come from, as noreply@host.example."),
    Setting(
        "SMTP_CA",
        "file",
        "",
        "PEM file of the authorities that vouch for the mail server. Empty: the public ones.",
    ),
    Setting(
        "STAFF_MAIL",
        "text",
        "",
        "Address of the staff who are told when somebody says of a Magic Link: this is not me.",
    ),
    Setting("HTTP_WORKERS", "int", "2", "Processes that answer HTTP."),
    Setting("HTTP_THREADS", "int", "32", "Requests that each HTTP process answers at once."),
    Setting(
        "HTTP_STALL_SECONDS",
        "int",
        "60",
        "Close an HTTP connection whose peer takes or acknowledges nothing for this long.",
    ),
    Setting("MAX_OBJECT_BYTES", "size", "4G", "Largest DICOM object taken by any door."),
    Setting("MAX_REQUEST_BYTES", "size", "64G", "Largest STOW-RS request."),
    Setting("MAX_PARTS", "int", "100000", "Most objects in one STOW-RS request."),
    Setting("MAX_BODY_BYTES", "size", "16M", "Largest FHIR or OAuth request body."),
    Setting("MIN_FREE_BYTES", "size", "256M", "Refuse new objects while the disk has less free."),
    Setting("MAX_ASSOCIATIONS", "int", "100", "Most DICOM associations at once."),
    Setting("MAX_PDU", "size", "128K", "Longest DICOM PDU that we take."),
    Setting("DIMSE_IDLE_SECONDS", "int", "60", "Close an association that is silent this long."),
    Setting("MLLP_CONNECTIONS", "int", "100", "Most HL7 connections at once."),
    Setting("MLLP_MAX_BYTES", "size", "48M", "Largest HL7 message."),
    Setting("MLLP_IDLE_SECONDS", "int", "300", "Close an HL7 connection that is silent this long."),
    Setting(
        "MLLP_APPLY_SECONDS",
        "int",
        "10",
        "A feed with the trait strict-apply is answered after this many seconds at the latest.",
    ),
    Setting("DECODE_WORKERS", "int", "1", "Processes that decode pictures, in each HTTP process."),
    Setting("DECODE_MEMORY", "size", "1G", "Memory that one decoding process may take."),
    Setting("DECODE_SECONDS", "int", "20", "Time that decoding one picture may take."),
    Setting("LOG_LEVEL", "choice:DEBUG|INFO|WARNING|ERROR", "INFO", "How much is logged."),
)

Network = IPv4Network | IPv6Network
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _size(text: str) -> int:
    unit = _UNITS.get(text[-1:].upper())
    return int(text[:-1]) * unit if unit else int(text)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _parse(setting: Setting, text: str) -> Any:
    """The typed value of one setting's text."""
    try:
        if setting.kind == "int":
            return int(text)
        if setting.kind == "size":
            return _size(text)
        if setting.kind == "zone" and text:
            ZoneInfo(text)
        if setting.kind == "file" and text:
            Path(text).open("rb").close()
        if setting.kind == "networks":
            _networks(text)
    except OSError as bad:
        raise BadSetting(f"{PREFIX}{setting.name}: cannot read {text!r}: {bad.strerror}") from bad
    except (ValueError, ZoneInfoNotFoundError) as bad:
        raise BadSetting(f"{PREFIX}{setting.name}={text!r} is not a valid {setting.kind}") from bad
    if setting.kind.startswith("choice:") and text not in setting.kind[7:].split("|"):
        raise BadSetting(f"{PREFIX}{setting.name}={text!r}: choose one of {setting.kind[7:]}")
    return Path(text) if setting.kind == "path" else text


def _text(setting: Setting, environ: Mapping[str, str]) -> str:
    """The setting's text from the environment; a secret may stand in a file named by NAME_FILE."""
    name = PREFIX + setting.name
    file = environ.get(name + "_FILE")
    if file and setting.kind == "secret":
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as bad:
            raise BadSetting(f"{name}_FILE: cannot read {file!r}: {bad.strerror}") from bad
    return environ.get(name, setting.default)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, parsed. Attributes are the table's names in lower case."""

    data: Path
    database_url: str
    host: str
    http_port: int
    dimse_port: int
    mllp_port: int
    mllp_tls_certificate: str
    mllp_tls_key: str
    mllp_tls_client_ca: str
    mllp_tls_port: int
    mllp_plain: str
    base_url: str
    ae_title: str
    settle_seconds: int
    zone: str
    issuer: str
    realm: str
    open_doors: str
    trusted_proxies: str
    link_factor: str
    link_phone: str
    second_factor: str
    smtp_url: str
    smtp_sender: str
    smtp_ca: str
    staff_mail: str
    http_workers: int
    http_threads: int
    http_stall_seconds: int
    max_object_bytes: int
    max_request_bytes: int
    max_parts: int
    max_body_bytes: int
    min_free_bytes: int
    max_associations: int
    max_pdu: int
    dimse_idle_seconds: int
    mllp_connections: int
    mllp_max_bytes: int
    mllp_idle_seconds: int
    mllp_apply_seconds: int
    decode_workers: int
    decode_memory: int
    decode_seconds: int
    log_level: str

    @property
    def loopback(self) -> bool:
        """True while every listener is reachable from this machine alone."""
        return self.host == "localhost" or _is_loopback(self.host)

    @property
    def doors_open(self) -> bool:
        """True when unknown senders from loopback are served."""
        return self.open_doors == "loopback" or (self.open_doors == "auto" and self.loopback)

    @property
    def needs_second_factor(self) -> bool:
        """True when a password alone is not enough for operators and privacy officers."""
        host = urlsplit(self.base).hostname or ""
        here = self.loopback and (host == "localhost" or _is_loopback(host))
        return self.second_factor == "on" or (self.second_factor == "auto" and not here)

    @property
    def plain_hl7(self) -> bool:
        """True when HL7 is served without TLS."""
        wanted = self.loopback or not self.mllp_tls_certificate
        return self.mllp_plain == "on" or (self.mllp_plain == "auto" and wanted)

    @property
    def base(self) -> str:
        """The public address, without a trailing slash."""
        return (self.base_url or f"http://{self.host}:{self.http_port}").rstrip("/")

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks whose word on who called counts."""
        return _networks(self.trusted_proxies)

    @property
    def fhir_base(self) -> str:
        """Base of the FHIR service; also SMART `iss` and `aud`."""
        return self.base + "/fhir"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data / 'triptych.db'}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read every setting from the environment; raises BadSetting on the first that is wrong."""
    source = os.environ if environ is None else environ
    values = {s.name.lower(): _parse(s, _text(s, source)) for s in SETTINGS}
    config = Config(**values)
    _check(config)
    return config


def _check(config: Config) -> None:
    """Refuse combinations that are not safe, or cannot work."""
    if config.open_doors == "loopback" and not config.loopback:
        raise BadSetting(
            f"{PREFIX}OPEN_DOORS=loopback with {PREFIX}HOST={config.host} would serve unknown "
            "senders on a reachable address: bind loopback, or register them with `peer add`"
        )
    if not config.loopback and not config.base.startswith("https://"):
        raise BadSetting(
            f"{PREFIX}HOST={config.host} is reachable from elsewhere, and tokens must not travel in "
            f"clear: set {PREFIX}BASE_URL to the https:// address of the proxy in front"
        )
    if bool(config.mllp_tls_certificate) != bool(config.mllp_tls_key):
        raise BadSetting(f"{PREFIX}MLLP_TLS_CERTIFICATE and {PREFIX}MLLP_TLS_KEY go together")
    if not config.mllp_tls_certificate and (config.mllp_tls_client_ca or not config.plain_hl7):
        raise BadSetting(f"HL7 over TLS needs {PREFIX}MLLP_TLS_CERTIFICATE")
    _check_mail(config)
    if not 4096 <= config.max_pdu <= 1 << 24:
        raise BadSetting(f"{PREFIX}MAX_PDU is {config.max_pdu}: it must lie between 4K and 16M")


def _check_mail(config: Config) -> None:
    """Mail goes to a server that can be named, in clear only to this machine, from an address."""
    for name in ("smtp_sender", "staff_mail"):
        address = getattr(config, name)
        if address and not is_mail_address(address):
            raise BadSetting(f"{PREFIX}{name.upper()} is one address, as name@host.example")
    if not config.smtp_url:
        return
    parts = urlsplit(config.smtp_url)
    if parts.scheme not in ("smtps", "smtp", "smtp+plain") or not parts.hostname:
        raise BadSetting(f"{PREFIX}SMTP_URL is smtps://host, smtp://host or smtp+plain://localhost")
    near = parts.hostname == "localhost" or _is_loopback(parts.hostname)
    if parts.scheme == "smtp+plain" and not near:
        raise BadSetting(
            f"{PREFIX}SMTP_URL: mail in clear goes to this machine alone, use smtps://"
        )
    if not config.smtp_sender:
        raise BadSetting(f"{PREFIX}SMTP_URL needs {PREFIX}SMTP_SENDER, the address mail comes from")


_MAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*)"
)


def is_mail_address(text: str) -> bool:
    """Whether a text is one plain address (RFC 5321 4.1.2 without quoting): no name, no list."""
    return len(text) <= 254 and _MAIL.fullmatch(text) is not None


def environment(config: Config) -> dict[str, str]:
    """The environment that gives a child process exactly this configuration."""
    return {PREFIX + s.name: str(getattr(config, s.name.lower())) for s in SETTINGS}
