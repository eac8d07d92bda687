"""The settings: one table that feeds the environment, `--help`, the docs page and its test."""

from dataclasses import dataclass

PREFIX = "TRIPTYCH_"


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
    Setting(
        "DIMSE_TLS_CERTIFICATE",
        "file",
        "",
        "PEM file of our certificate and those above it: DICOM over TLS is served as well.",
    ),
    Setting("DIMSE_TLS_KEY", "file", "", "PEM file of that certificate's private key."),
    Setting(
        "DIMSE_TLS_CLIENT_CA",
        "file",
        "",
        "PEM file of the authorities, or single certificates, that DICOM peers must be vouched "
        "for by. Empty: peers over TLS need no certificate.",
    ),
    Setting("DIMSE_TLS_PORT", "int", "2762", "Port of DICOM over TLS. 0: any free port."),
    Setting(
        "DIMSE_PLAIN",
        "choice:auto|on|off",
        "auto",
        "Whether DICOM is served without TLS. auto: unless it is served over TLS and HOST is "
        "reachable from elsewhere.",
    ),
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
    Setting(
        "METRICS_NETWORKS",
        "networks",
        "",
        "Addresses or networks (CIDR), comma separated, that may read /metrics beside this machine.",
    ),
    Setting(
        "METRICS_TOKEN",
        "secret",
        "",
        "Token with which anybody may read /metrics, as Authorization: Bearer. Empty: nobody.",
    ),
    Setting(
        "LOG_FORMAT",
        "choice:text|json",
        "text",
        "A log line as text for people, or as one JSON object.",
    ),
    Setting("LOG_LEVEL", "choice:DEBUG|INFO|WARNING|ERROR", "INFO", "How much is logged."),
)
