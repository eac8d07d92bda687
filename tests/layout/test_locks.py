"""The lock files: every package pinned and hashed, no address, and the test lock holds the run lock."""

import re
import tomllib

from tests.support.tree import ROOT

PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def pins(name: str) -> set[tuple[str, str, str]]:
    return {(package, version, marker) for package, version, marker in PIN.findall(lock(name))}


def normal(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[._]", "-", found[0]).lower()


def test_no_lock_holds_an_address() -> None:
    assert "://" not in lock("run") + lock("test")


def test_every_pin_has_a_hash() -> None:
    for name in ("run", "test"):
        blocks = re.split(r"^(?=[a-z0-9])", lock(name), flags=re.MULTILINE)
        assert [block for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_the_test_lock_holds_the_very_versions_of_the_run_lock() -> None:
    assert pins("run") - pins("test") == set()


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {package for package, _, _ in pins("run")}
    assert {normal(item) for item in project["dependencies"]} - locked == set()
