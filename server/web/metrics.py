"""`/metrics` in the text format of Prometheus (0.0.4): for this machine, named networks, or a token."""

import hmac
from collections.abc import Iterable
from ipaddress import ip_address

from flask import Response, request

from server import clock
from server.errors import Denied
from server.flows import metrics
from server.flows.metrics import Metric, Value
from server.flows.sites import House
from server.web import guard
from server.web.routes import Call, Public, Route

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
# Who was passed on is not on this machine, whatever address the connection has.
_PASSED_ON = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")


def tell(call: Call) -> Response:
    """Every queue, every door, disk and audit, as numbers."""
    if not _may(call.house):
        raise Denied(
            "metrics are for this machine: name networks in TRIPTYCH_METRICS_NETWORKS, or send the "
            "token of TRIPTYCH_METRICS_TOKEN"
        )
    families = metrics.gather(call.house, clock.now())
    return Response("".join(_lines(families)), content_type=_TEXT)


def _may(house: House) -> bool:
    """Whether the caller is one of those that the settings name; this machine always is."""
    token = house.config.metrics_token
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if token and hmac.compare_digest(sent.encode(), token.encode()):
        return True
    try:
        caller = ip_address(guard.address())
    except ValueError:
        return False
    if any(caller in network for network in house.config.metrics_from):
        return True
    return caller.is_loopback and not any(name in request.headers for name in _PASSED_ON)


def _lines(families: Iterable[tuple[Metric, list[Value]]]) -> Iterable[str]:
    for metric, values in families:
        name = f"triptych_{metric.name}"
        yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
        for labels, value in values:
            told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
            yield f"{name}{{{told}}} {value:.17g}\n" if told else f"{name} {value:.17g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_WHY = "monitors: of this machine, of the networks that a setting names, or with its token"
ROUTES = (Route("/metrics", ("GET",), "ops", Public(_WHY), tell, "Counts for Prometheus"),)
