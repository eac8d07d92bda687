"""The second step of signing in, over the real pages, with a phone of its own (RFC 6238)."""

import threading
from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import select, update

from server import clock
from server.flows import first_operator, totp
from server.store.login_tables import account, attempt, half_way, recovery_code
from server.store.tables import audit
from tests.support import logs
from tests.support.authenticator import Authenticator, recovery, scan
from tests.support.keyring import Keyring, keyring
from tests.support.server import Server, running
from tests.support.smart_app import PASSWORD, Person, forms

# RFC 6238 appendix B, SHA-1, the last six digits of its eight.
SECRET = b"12345678901234567890"
VECTORS = (
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyring]:
    """A server that wants a second factor of its operators."""
    folder = tmp_path_factory.mktemp("second")
    with (
        running(folder, "--only", "web", HTTP_WORKERS="1", SECOND_FACTOR="on") as server,
        keyring(server) as made,
    ):
        yield made


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.code(SECRET, seconds // 30) == code
    assert Authenticator(SECRET).code(seconds // 30) == code
    now = seconds * 1_000_000
    for late in (-30, 0, 30):
        assert totp.fitting(SECRET, code, last=0, now=now + late * 1_000_000) == seconds // 30
    for late in (-90, 90):
        assert totp.fitting(SECRET, code, last=0, now=now + late * 1_000_000) == 0
    assert totp.fitting(SECRET, code, last=seconds // 30, now=now) == 0


def come(server: Server, name: str) -> tuple[Person, requests.Response]:
    """A new browser, and the page after the password."""
    person = Person(server, name)
    return person, person.log_in(person.open(f"{server.base}/oauth/login"))


def enrolled(keys: Keyring, name: str) -> tuple[Authenticator, list[str]]:
    """An operator who set the second step up; the codes given are in no log."""
    keys.user(name, "operator")
    person, page = come(keys.server, name)
    phone = scan(page.text)
    logs.keep_out(totp.spelled(phone.secret))
    page = person.send(page, code=phone.fresh())
    codes = recovery(page)
    assert len({logs.keep_out(one) for one in codes}) == 10
    assert signed_in(person)
    return phone, codes


def signed_in(person: Person) -> bool:
    page = person.open(f"{person.server.base}/oauth/apps")
    return forms(page)[-1].action == "/oauth/logout"


def forget_answers(keys: Keyring) -> None:
    with keys.house.database.write() as connection:
        connection.execute(attempt.delete())


def test_an_operator_sets_codes_up_and_signs_in_with_one_of_them(keys: Keyring) -> None:
    keys.user("olga", "operator")
    person, page = come(keys.server, "olga")
    assert not signed_in(person)
    phone = scan(page.text)
    assert phone.label == "/Triptych 127.0.0.1:olga"
    assert "<svg" in page.text
    wrong = person.send(page, code="000000" if phone.code() != "000000" else "000001")
    assert (wrong.status_code, scan(wrong.text).secret) == (401, phone.secret)
    shown = person.send(wrong, code=phone.fresh())
    assert len(recovery(shown)) == 10
    assert signed_in(person)
    again, page = come(keys.server, "olga")
    assert not signed_in(again)
    assert "otpauth" not in page.text
    arabic = "".join("٠١٢٣٤٥٦٧٨٩"[int(digit)] for digit in phone.fresh())
    assert again.send(page, code=f" {arabic[:3]} {arabic[3:]}").status_code == 200
    assert signed_in(again)


def test_the_first_operator_sets_codes_up_before_anything_else(keys: Keyring) -> None:
    with keys.house.database.write() as connection:
        connection.execute(account.delete())
    address = logs.keep_out(first_operator.address(keys.house, now=clock.now()))
    person = Person(keys.server, "founder")
    page = person.open(address)
    page = person.send(page, username="founder", password=PASSWORD, again=PASSWORD)
    assert not signed_in(person)
    assert len(recovery(person.send(page, code=scan(page.text).fresh()))) == 10
    assert signed_in(person)


def test_the_secret_and_the_recovery_codes_are_not_in_the_store_as_they_are(keys: Keyring) -> None:
    phone, codes = enrolled(keys, "otto")
    with keys.house.database.read() as connection:
        kept = connection.execute(select(account.c.totp)).scalars().all()
        hashes = connection.execute(select(recovery_code.c.hash)).scalars().all()
    told = " ".join([*kept, *hashes])
    assert totp.spelled(phone.secret) not in told
    assert phone.secret.hex() not in told
    assert not [one for one in codes if one in told or one.replace("-", "") in told]


def test_a_code_is_good_once_even_if_two_come_together(keys: Keyring) -> None:
    phone, _ = enrolled(keys, "oda")
    browsers = [come(keys.server, "oda") for _ in range(4)]
    code, together = phone.fresh(), threading.Barrier(4)

    def send(which: int) -> None:
        person, page = browsers[which]
        together.wait()
        person.send(page, code=code)

    threads = [threading.Thread(target=send, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [signed_in(person) for person, _ in browsers].count(True) == 1
    forget_answers(keys)
    late, page = come(keys.server, "oda")
    assert late.send(page, code=code).status_code == 401
    assert late.send(page, code=phone.code(phone.spent - 1)).status_code == 401


def test_a_recovery_code_signs_in_once(keys: Keyring) -> None:
    _, codes = enrolled(keys, "ove")
    for said, status in ((codes[0].upper(), 200), (codes[0], 401), (codes[1], 200)):
        person, page = come(keys.server, "ove")
        assert person.send(page, code=said).status_code == status
        assert signed_in(person) == (status == 200)
    page = person.open(f"{keys.server.base}/oauth/account")
    assert "codes left: 8" in page.text
    with keys.house.database.read() as connection:
        told = connection.execute(select(audit.c.detail)).scalars().all()
    assert len([one for one in told if one.endswith("spends a recovery code")]) == 2


def test_wrong_codes_count_with_wrong_passwords_and_answer_alike(keys: Keyring) -> None:
    phone, codes = enrolled(keys, "oona")
    person, page = come(keys.server, "oona")
    answers = [person.send(page, code=said) for said in ("000000", "x", "é", codes[0][:8])]
    answers += [person.send(page, code=said) for said in (phone.fresh(), codes[0])]
    assert {one.status_code for one in answers} == {401}
    assert len({one.text for one in answers}) == 1
    assert not signed_in(person)
    page = come(keys.server, "oona")[1]
    assert "codes left" not in page.text
    assert page.status_code == 401
    forget_answers(keys)
    person, page = come(keys.server, "oona")
    assert person.send(page, code=codes[0]).status_code == 200


def test_half_a_sign_in_opens_nothing_and_ends_by_itself(keys: Keyring) -> None:
    phone, _ = enrolled(keys, "oskar")
    person, page = come(keys.server, "oskar")
    base = keys.server.base
    for path in ("/oauth/apps", "/oauth/account", "/oauth/account/second"):
        assert forms(person.open(base + path))[-1].values("password") == [""]
    with keys.house.database.write() as connection:
        connection.execute(update(half_way).values(expires=clock.now()))
    late = person.send(page, code=phone.fresh())
    assert forms(late)[-1].action == "/oauth/login"
    assert not signed_in(person)


def test_a_lost_phone_is_reset_and_its_owner_signed_out(keys: Keyring) -> None:
    phone, codes = enrolled(keys, "olaf")
    person, page = come(keys.server, "olaf")
    person.send(page, code=phone.fresh())
    assert signed_in(person)
    assert keys.server.run("user", "totp", "olaf")["second_factor"] is False
    assert not signed_in(person)
    again, page = come(keys.server, "olaf")
    fresh = scan(page.text)
    assert fresh.secret != phone.secret
    assert again.send(page, code=codes[0]).status_code == 401
    assert len(recovery(again.send(page, code=fresh.fresh()))) == 10


def test_who_need_not_have_a_second_step_may_set_one_up_with_the_password(keys: Keyring) -> None:
    keys.user("drew", "clinician")
    person, _ = come(keys.server, "drew")
    assert signed_in(person)
    page = person.open(f"{keys.server.base}/oauth/account/second")
    phone = scan(page.text)
    assert person.send(page, code=phone.code(), old="not it").status_code == 403
    assert person.send(page, code="1", old=PASSWORD).status_code == 401
    assert len(recovery(person.send(page, code=phone.fresh(), old=PASSWORD))) == 10
    anew = scan(person.open(f"{keys.server.base}/oauth/account/second").text)
    assert anew.secret != phone.secret
    other, page = come(keys.server, "drew")
    assert not signed_in(other)
    other.send(page, code=phone.fresh())
    assert signed_in(other)
