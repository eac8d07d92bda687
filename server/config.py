"""The settings as they are given: read from the environment, parsed, and checked together."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.settings import PREFIX, SETTINGS, Setting


class BadSetting(Exception):
    """A setting that cannot be used; the message names it and says what would be right."""


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
    dimse_tls_certificate: str
    dimse_tls_key: str
    dimse_tls_client_ca: str
    dimse_tls_port: int
    dimse_plain: str
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
    metrics_networks: str
    metrics_token: str
    log_format: str
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
        return self._plain(self.mllp_plain, self.mllp_tls_certificate)

    @property
    def plain_dicom(self) -> bool:
        """True when DICOM is served without TLS."""
        return self._plain(self.dimse_plain, self.dimse_tls_certificate)

    def _plain(self, said: str, certificate: str) -> bool:
        return said == "on" or (said == "auto" and (self.loopback or not certificate))

    @property
    def base(self) -> str:
        """The public address, without a trailing slash."""
        return (self.base_url or f"http://{self.host}:{self.http_port}").rstrip("/")

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks whose word on who called counts."""
        return _networks(self.trusted_proxies)

    @property
    def metrics_from(self) -> tuple[Network, ...]:
        """The networks that may read metrics."""
        return _networks(self.metrics_networks)

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
    _check_tls(config, "MLLP", "HL7", plain=config.plain_hl7)
    _check_tls(config, "DIMSE", "DICOM", plain=config.plain_dicom)
    _check_mail(config)
    if not 4096 <= config.max_pdu <= 1 << 24:
        raise BadSetting(f"{PREFIX}MAX_PDU is {config.max_pdu}: it must lie between 4K and 16M")


def _check_tls(config: Config, door: str, what: str, *, plain: bool) -> None:
    """A certificate and its key go together, and nothing else of TLS goes without them."""
    names = (f"{door}_TLS_CERTIFICATE", f"{door}_TLS_KEY", f"{door}_TLS_CLIENT_CA")
    certificate, key, client_ca = (bool(getattr(config, name.lower())) for name in names)
    if certificate != key:
        raise BadSetting(f"{PREFIX}{names[0]} and {PREFIX}{names[1]} go together")
    if not certificate and (client_ca or not plain):
        raise BadSetting(f"{what} over TLS needs {PREFIX}{names[0]}")


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
