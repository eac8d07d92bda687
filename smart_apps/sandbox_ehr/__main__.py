"""Serves the sandbox EHR: a page that shows patients and launches SMART apps for them.

It is a client like an EHR's: it signs its token requests with a key of its own, reads patients with
`system/Patient.rs`, and asks for launches because its registration has the scope `launch`. An app may
stand in a frame of its page, if its registration names the origin of that page.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from joserfc.jwk import ECKey

from ..local_site import HOST, Answer, serve
from .ehr import Ehr

PORT = 8090
FOLDER = Path(__file__).parent
_EPILOG = """
The first time, make its key, and register it with what that prints:

  python -m smart_apps.sandbox_ehr --key ehr-key.json --make-key > ehr-jwks.json
  python -m server client add "Sandbox EHR" --type backend --reach all \\
    --jwks ehr-jwks.json --scope 'launch vouch system/Patient.rs system/ImagingStudy.rs' \\
    --frame-origin http://127.0.0.1:8090

Then start it with its client_id, and that of each app that it may launch:

  python -m smart_apps.sandbox_ehr --key ehr-key.json --client ID --app 'APP=Launch demo'

With `vouch` and --user the viewer of the server (client add --type viewer) asks for no login.
"""


def main() -> None:
    """Serve the page until Ctrl-C, or make a key."""
    given = _parser().parse_args()
    if given.make_key:
        print(_make_key(given.key))
        return
    if not given.client or not given.apps:
        sys.exit("give --client and --app; --help says where they come from")
    key = ECKey.import_key(json.loads(given.key.read_text()))
    ehr = Ehr(given.server.rstrip("/"), given.client, key, dict(given.apps), given.user)
    answers: dict[str, Answer] = {
        "GET /patients": ehr.patients,
        "GET /apps": ehr.offered,
        "POST /studies": ehr.studies,
        "POST /launch": ehr.launch,
        "POST /end": ehr.end,
    }
    serve(FOLDER, given.port, answers, _ready, framed="http: https:")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m smart_apps.sandbox_ehr",
        description="A page in place of an EHR: choose a patient, launch a SMART app.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="file of its private key"
    )
    parser.add_argument(
        "--make-key", action="store_true", help="make that file, and print the public key set"
    )
    parser.add_argument("--client", default="", metavar="ID", help="its own client_id")
    parser.add_argument(
        "--app",
        dest="apps",
        action="append",
        type=_app,
        default=[],
        metavar="ID=NAME",
        help="client_id and name of an app to launch; may be repeated",
    )
    parser.add_argument(
        "--server",
        default=f"http://{HOST}:8080",
        metavar="URL",
        help="address of the server (%(default)s)",
    )
    parser.add_argument(
        "--user", default="", metavar="NAME", help="user at the screen; without it any may log in"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="port of loopback to listen on (%(default)s)"
    )
    return parser


def _app(text: str) -> tuple[str, str]:
    id_, _, name = text.partition("=")
    return id_, name or id_


def _make_key(file: Path) -> str:
    """Make a private key that only this user can read; gives the public key set."""
    key = ECKey.generate_key("P-384", {"kid": "sandbox-ehr", "alg": "ES384", "use": "sig"})
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w") as written:
        json.dump(key.as_dict(private=True), written)
    return json.dumps({"keys": [key.as_dict(private=False)]})


def _ready(url: str) -> None:
    print(f"The sandbox EHR is at {url}", flush=True)


if __name__ == "__main__":
    main()
