"""Fixtures for every test: nothing leaves loopback, nothing is left behind, nothing is skipped unseen."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import logs
from tests.support.leaks import listening_ports, threads_left
from tests.support.loopback import install_guard, take_violations

TOLD = pytest.StashKey[list[str]]()
KEPT = ("TRIPTYCH_SAMPLES", "TRIPTYCH_NO_SKIPS", "TRIPTYCH_SCREENSHOTS")


def pytest_configure() -> None:
    """Refuse other addresses from the first import on."""
    install_guard()


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """Give each test an environment without settings or proxies, and put the old one back."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("TRIPTYCH_") and name not in KEPT:
            del os.environ[name]
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def stays_on_loopback() -> Iterator[None]:
    """Fail a test that tried another address, even if it swallowed the refusal."""
    take_violations()
    yield
    violations = take_violations()
    if violations:
        pytest.fail(f"tried to leave loopback: {', '.join(violations)}")


@pytest.fixture(autouse=True)
def leaves_nothing_running() -> Iterator[None]:
    """Fail a test that leaves threads or listening sockets behind (shared fixtures start earlier)."""
    threads = set(threading.enumerate())
    ports = listening_ports()
    yield
    left = [f"thread {name}" for name in threads_left(threads)]
    left += [f"listening socket {port}" for port in sorted(listening_ports() - ports)]
    if left:
        pytest.fail(f"left behind: {', '.join(left)}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one of several test processes found in the logs of its servers."""
    told = getattr(node, "workeroutput", {}).get("told", [])
    node.config.stash.setdefault(TOLD, []).extend(told)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run has failed if it skipped anything under TRIPTYCH_NO_SKIPS=1, or if a log tells too much."""
    told = session.config.stash.setdefault(TOLD, [])
    told.extend(logs.findings())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["told"] = told
    no_skips = os.environ.get("TRIPTYCH_NO_SKIPS") == "1"
    if session.config.stash[TOLD] or (no_skips and skipped(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name every skip where it is a failure, and every line of a log that is one."""
    for finding in config.stash.get(TOLD, []):
        terminalreporter.write_line(f"a log must not hold this: {finding}", red=True)
    names = skipped(config)
    if os.environ.get("TRIPTYCH_NO_SKIPS") == "1" and names:
        terminalreporter.section("skipped although TRIPTYCH_NO_SKIPS=1", red=True)
        for name in names:
            terminalreporter.write_line(name)


def skipped(config: pytest.Config) -> list[str]:
    """Return the ids of the tests and modules that were skipped."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return []
    return [report.nodeid for report in reporter.stats.get("skipped", [])]
