"""`POST /oauth/share`: an EHR or a portal makes a Magic Link for a patient whom it reaches."""

from flask import Response

from server import clock
from server.clock import instant
from server.errors import Invalid
from server.flows import links, qr
from server.flows.links import Made, Wanted
from server.web.launching import caller
from server.web.oauth import Server, answering
from server.web.oauth_clients import FormRequest
from server.web.replies import plain_json
from server.web.routes import Call, Public, Route


def share(call: Call) -> Response:
    """What `triptych share` prints, for a client whose scopes hold `share`."""
    return answering(call, _share)


def _share(server: Server, asked: FormRequest) -> Response:
    form, now = asked.form, clock.now()
    by = caller(server, asked)
    factor = form.get("factor", "") or server.house.config.link_factor
    links.check_factor(factor)
    wanted = Wanted(
        patient=form.get("patient", ""),
        factor=factor,
        expires=links.expiry(form.get("expires", "") or links.USUAL, factor, now),
        studies=frozenset(form.get("study", "").split()),
        most_uses=_uses(form.get("uses", "0")),
        label=form.get("label", ""),
        mail=form.get("mail", "") == "yes",
        person=form.get("person", ""),
        health_link=form.get("health_link", "") == "yes",
    )
    made = links.make(server.house, wanted, by=by, now=now)
    response = plain_json(told(made, factor), 201)
    response.headers["Cache-Control"] = "no-store"
    return response


def told(made: Made, factor: str) -> dict[str, str]:
    """A link with its secrets, for whoever made it."""
    answer = {"id": made.id, "url": made.url, "factor": factor}
    answer |= {"short_code": made.code} if made.code else {}
    answer |= {factor: made.answer} if made.answer else {}
    if made.health_link:
        qr_svg = qr.svg(made.health_link)
        answer |= {"health_link": made.health_link, "passcode": made.passcode}
        answer |= {"health_link_qr_svg": qr_svg}
    return answer | {"expires": instant(made.expires), "qr_svg": qr.svg(made.url)}


def _uses(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise Invalid("uses is a number, 0 for as often as wanted")
    return int(text)


_WHY = "clients prove who they are in the request itself"
ROUTES = (Route("/oauth/share", ("POST",), "oauth", Public(_WHY), share, "Make a Magic Link"),)
