"""What a person does on the pages of a login, found by the words that they read."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.support import logs
from tests.support.smart_app import PASSWORD

SIGN_IN, ALLOW, DENY = "Sign in", "Allow", "Do not allow"


def log_in(page: Page, name: str = "alice", password: str = PASSWORD) -> None:
    """Fill in the login page and send it."""
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=SIGN_IN).click()


def choose(page: Page, words: str) -> None:
    """Choose a patient or a visit on a page that asks for one."""
    page.get_by_role("radio", name=re.compile(words)).check()
    page.get_by_role("button", name="Continue").click()


def allow(page: Page) -> None:
    """Let the app have all that it asks for."""
    page.get_by_role("button", name=ALLOW, exact=True).click()


def deny(page: Page) -> None:
    """Let it have nothing."""
    page.get_by_role("button", name=DENY).click()


def asked_to_decide(page: Page) -> None:
    """Wait for the page that asks for consent."""
    expect(page.get_by_role("button", name=ALLOW, exact=True)).to_be_visible()


def answer(page: Page, redirect: str) -> dict[str, str]:
    """What the app was sent back with."""
    page.wait_for_url(re.compile(re.escape(redirect)))
    found = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    if "code" in found:
        logs.keep_out(found["code"])
    return found
