"""Somebody with a Magic Link: a browser without script that keeps its cookies, and links to give it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import requests

from server import clock
from server.flows import links
from server.flows.factors import DAY
from server.flows.links import Made, Wanted
from tests.support import logs
from tests.support.keyring import Keyring

BORN = "4 5 1952"
LONGEST = 7 * DAY


def link(keys: Keyring, patient: str, factor: str = "birth-date", **more: Any) -> Made:
    """What `share` makes."""
    now = clock.now()
    wanted = Wanted(patient, factor, more.pop("expires", now + LONGEST), **more)
    made = links.make(keys.house, wanted, now=now)
    logs.keep_out(made.token)
    return made


@dataclass(slots=True)
class Holder:
    """A browser that may have opened a link."""

    base: str
    browser: requests.Session = field(default_factory=requests.Session)

    def open(self, made: Made, answer: str = "") -> requests.Response:
        """Fill in the form of a link's page; gives what follows, without following it."""
        return self.answer(f"/s/{made.token}", factor=answer or made.answer or BORN)

    def answer(self, path: str, **form: str) -> requests.Response:
        """Send a form, and do not follow a redirect."""
        return self.browser.post(self.base + path, data=form, allow_redirects=False, timeout=60)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Go to an address of the server."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.get(self.base + path, headers=sent, timeout=60)

    def read(self, path: str, site: str = "same-origin", **more: str) -> requests.Response:
        """What a page of ours asks of a door of data, as a browser marks it."""
        return self.get(path, Sec_Fetch_Site=site, **more)

    def submit(self, page: str, action: str, **form: str) -> requests.Response:
        """Send a form of a page, with what the page put into it."""
        text = self.get(page).text
        found = re.search(rf'<form[^>]*action="{action}".*?</form>', text, re.DOTALL)
        assert found, f"{page} has no form for {action}"
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0]))
        return self.answer(action, **hidden | form)


def opened(base: str, made: Made) -> Holder:
    """A browser that has opened a link."""
    holder = Holder(base)
    answer = holder.open(made)
    assert answer.status_code == 303, answer.text
    return holder


def words(answer: requests.Response) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<(script|title)[^>]*>.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(text)).strip()


def told(lines: str) -> list[Mapping[str, Any]]:
    """The JSON objects that a command printed, one a line."""
    return [json.loads(line) for line in lines.splitlines()]
