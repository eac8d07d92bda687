"""Serves the launch demo, a small SMART app, on a port of loopback."""

import argparse
from pathlib import Path

from ..local_site import HOST, serve

PORT = 8091
FOLDER = Path(__file__).parent
_EPILOG = f"""
Register the app first; that prints its client_id:

  python -m server client add "Launch demo" --type public \\
    --redirect-uri http://{HOST}:{PORT}/ --launch-uri http://{HOST}:{PORT}/launch.html

Then start it with that id, and open http://{HOST}:{PORT}/ in a browser.
"""


def main() -> None:
    """Serve the app until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m smart_apps.launch_demo",
        description="A small SMART app: logs in, shows a patient's name, pictures and reports.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--client", required=True, help="the app's client_id")
    parser.add_argument(
        "--server",
        default=f"http://{HOST}:8080/fhir",
        metavar="URL",
        help="FHIR address to log in at (%(default)s)",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="port of loopback to listen on (%(default)s)"
    )
    given = parser.parse_args()
    settings = {"client": given.client, "server": given.server.rstrip("/")}
    serve(FOLDER, given.port, {"GET /settings": lambda _: settings}, _ready)


def _ready(url: str) -> None:
    print(f"The launch demo is at {url}", flush=True)


if __name__ == "__main__":
    main()
