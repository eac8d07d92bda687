"""`import`: files, folders, discs and archives, honest ones and others."""

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from server.flows.gathering import Bounds, gather, weigh
from server.flows.importer import Importer, Tally, destination
from server.flows.sites import House
from tests.support import houses
from tests.support.dicom_objects import identified, part10
from tests.support.importing import run
from tests.support.scenes import ALICES, SYSTEM, address, alices, bundled, instance
from tests.support.server import running
from tests.support.web import parts, value, web

BOUNDS = Bounds(entries=1000, inflated=1 << 30)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with houses.opened(tmp_path / "data", ISSUER=SYSTEM) as made:
        yield made


def imported(house: House, *paths: Path, bounds: Bounds = BOUNDS) -> Tally:
    weights = list[int]()
    request = destination(house, "home", "")
    tally = Importer(house, request).run(gather(paths, bounds), weights.append)
    assert sum(weights) <= weigh(paths)
    total = tally.accepted + tally.warned + tally.duplicate + tally.rejected + tally.skipped
    assert total == tally.files
    return tally


def counts(tally: Tally) -> dict[str, int]:
    """The counts that are not zero."""
    names = ("accepted", "warned", "duplicate", "rejected", "skipped")
    return {name: getattr(tally, name) for name in names if getattr(tally, name)}


def reasons(tally: Tally) -> dict[str, str]:
    return {Path(entry["path"]).name: entry["reason"] for entry in tally.details}


def archive(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def test_a_folder_is_imported_with_everything_below_it(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "deep" / "er"
    folder.mkdir(parents=True)
    for number, content in enumerate(alices()):
        (folder.parent / f"{number}").write_bytes(content)
    (folder / "plan").write_bytes(bundled("reportsi.dcm"))
    (folder / "again.dcm").write_bytes(alices()[0])
    (folder / "notes.txt").write_text("Read me")
    (folder / "broken.dcm").write_bytes(bundled("rtplan_truncated.dcm"))
    tally = imported(house, tmp_path / "in")
    assert counts(tally) == {
        "accepted": 4,
        "warned": 1,
        "duplicate": 1,
        "rejected": 1,
        "skipped": 1,
    }
    assert {entry["verdict"] for entry in tally.details} == {"warned", "rejected", "skipped"}
    assert reasons(tally)["notes.txt"] == "not a DICOM file"
    assert "Patient ID" in reasons(tally)["plan"]
    assert "cut short" in reasons(tally)["broken.dcm"]


def test_an_archive_is_imported_without_being_unpacked(house: House, tmp_path: Path) -> None:
    files = {f"a/{number}.dcm": content for number, content in enumerate(alices())}
    path = archive(tmp_path / "study.zip", files | {"a/viewer.exe": b"MZ"})
    tally = imported(house, path)
    assert counts(tally) == {"accepted": 4, "skipped": 1}
    [entry] = tally.details
    assert entry["path"] == f"{path}!a/viewer.exe"


def test_names_in_an_archive_are_labels_and_no_paths(house: House, tmp_path: Path) -> None:
    names = ("../../up.dcm", "/etc/abs.dcm", "a\n\x1b[31mred.dcm", "C:\\x.dcm")
    files = dict.fromkeys(names, b"no picture") | {"../ok.dcm": alices()[0]}
    before = set(tmp_path.rglob("*"))
    path = archive(tmp_path / "slip.zip", files)
    tally = imported(house, path)
    assert counts(tally) == {"accepted": 1, "skipped": 4}
    assert all(entry["path"].isprintable() for entry in tally.details)
    strangers = set(tmp_path.rglob("*")) - before - {path}
    assert all(stranger.is_relative_to(tmp_path / "data") for stranger in strangers)


def test_an_archive_inside_an_archive_stays_shut(house: House, tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", {"1.dcm": alices()[0]}).read_bytes()
    outer = archive(tmp_path / "outer.zip", {"inner.zip": inner, "2.dcm": alices()[1]})
    tally = imported(house, outer)
    assert counts(tally) == {"accepted": 1, "skipped": 1}
    assert "archive inside an archive" in tally.details[0]["reason"]


def bomb(size: int) -> bytes:
    """An object that says it is huge, and is all zeros."""
    data_set = identified()
    head = part10(data_set)
    return head + struct.pack("<HH2s2xL", 0x7FE0, 0x0010, b"OB", size) + bytes(size)


def test_what_inflates_without_end_is_cut_off(house: House, tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.zip", {"bomb.dcm": bomb(40 << 20), "ok.dcm": alices()[0]})
    tally = imported(house, path)
    assert counts(tally) == {"accepted": 1, "rejected": 1}
    assert "200 times" in tally.details[0]["reason"]
    assert not list((house.config.data / "blobs" / "tmp").iterdir())


def test_an_archive_has_room_for_so_much_and_so_many(house: House, tmp_path: Path) -> None:
    files = {f"{number}": bytes([number]) * 4096 for number in range(20)}
    path = archive(tmp_path / "many.zip", files)
    few = imported(house, path, bounds=Bounds(entries=10, inflated=1 << 30))
    assert counts(few) == {"skipped": 1}
    assert "more than 10 files" in few.details[0]["reason"]
    small = imported(house, path, bounds=Bounds(entries=100, inflated=20_000))
    assert counts(small) == {"skipped": 4, "rejected": 16}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_could_take_any_memory_is_not_touched(
    house: House, tmp_path: Path, method: int
) -> None:
    tally = imported(house, archive(tmp_path / "odd.zip", {"1.dcm": alices()[0]}, method))
    assert counts(tally) == {"skipped": 1}
    assert "not supported" in tally.details[0]["reason"]


def test_an_encrypted_file_is_skipped_and_said_to_be(house: House, tmp_path: Path) -> None:
    path = archive(tmp_path / "locked.zip", {"1.dcm": alices()[0]}, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + place] |= 1
    path.write_bytes(bytes(raw))
    tally = imported(house, path)
    assert (counts(tally), tally.details[0]["reason"]) == ({"skipped": 1}, "it is encrypted")


def test_a_damaged_archive_gives_what_can_be_read_and_names_the_rest(
    house: House, tmp_path: Path
) -> None:
    good = archive(tmp_path / "good.zip", {"1.dcm": alices()[0], "2.dcm": alices()[1]})
    raw = bytearray(good.read_bytes())
    second = raw.index(b"PK\x03\x04", 4)
    raw[second + 2000 : second + 2100] = bytes(100)
    (tmp_path / "damaged.zip").write_bytes(bytes(raw))
    (tmp_path / "half.zip").write_bytes(good.read_bytes()[:5000])
    tally = imported(house, tmp_path / "damaged.zip", tmp_path / "half.zip")
    assert counts(tally) == {"accepted": 1, "rejected": 1, "skipped": 1}
    assert all("cannot be read" in entry["reason"] for entry in tally.details)


def test_a_directory_that_would_fill_memory_stays_on_disk(house: House, tmp_path: Path) -> None:
    entry = b"PK\x01\x02" + bytes(42)
    count, size = 400_000, 400_000 * len(entry)
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 65535, 65535, size, 30, 0)
    path = tmp_path / "wide.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(26) + entry * count + end)
    tally = imported(house, path)
    assert counts(tally) == {"skipped": 1}
    assert "directory is too large" in tally.details[0]["reason"]


def test_links_and_devices_are_neither_followed_nor_opened(house: House, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "1.dcm").write_bytes(alices()[0])
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "to-file").symlink_to(secret / "1.dcm")
    (folder / "to-folder").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    tally = imported(house, folder)
    assert counts(tally) == {"skipped": 5}
    assert "not a regular file" in reasons(tally)["pipe"]
    assert "symbolic link" in reasons(tally)["to-folder"]


def test_a_link_that_was_named_by_hand_is_followed(house: House, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.dcm").write_bytes(alices()[0])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert counts(imported(house, tmp_path / "link")) == {"accepted": 1}


def disc(folder: Path) -> Path:
    """A disc that lacks one of the files that its DICOMDIR names."""
    source = Path(str(get_testdata_file("DICOMDIR", download=False))).parent
    for path in source.rglob("*"):
        place = folder / path.relative_to(source)
        if path.is_file() and (path.name == "DICOMDIR" or "7765" in str(path)):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("named", ["", "DICOMDIR"])
def test_a_disc_is_imported_and_what_it_should_hold_is_missed(
    house: House, tmp_path: Path, named: str
) -> None:
    folder = disc(tmp_path / "cd")
    lost = next(path for path in sorted(folder.rglob("*")) if path.is_file() and "CR1" in str(path))
    lost.unlink()
    tally = imported(house, folder / named)
    assert tally.accepted + tally.warned == len(
        [path for path in folder.rglob("*") if path.is_file() and path.name != "DICOMDIR"]
    )
    assert "media directory" in reasons(tally)["DICOMDIR"]
    assert reasons(tally)[lost.name] == "the DICOMDIR names it, but it is not there"


def test_the_command_prints_one_object_with_exactly_its_keys(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(alices()[0])
    (tmp_path / "2.txt").write_text("no picture")
    done = run(tmp_path, str(tmp_path / "1.dcm"), str(tmp_path / "2.txt"))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    details = answer.pop("details")
    assert answer == {
        "files": 2,
        "accepted": 1,
        "warned": 0,
        "duplicate": 0,
        "rejected": 0,
        "skipped": 1,
    }
    assert details == [
        {"path": str(tmp_path / "2.txt"), "verdict": "skipped", "reason": "not a DICOM file"}
    ]
    assert "Importing" in done.stderr


def test_the_exit_code_says_whether_anything_could_be_kept(tmp_path: Path) -> None:
    (tmp_path / "bad.dcm").write_bytes(bundled("rtplan_truncated.dcm"))
    (tmp_path / "good.dcm").write_bytes(alices()[0])
    bad, good = str(tmp_path / "bad.dcm"), str(tmp_path / "good.dcm")
    assert run(tmp_path, bad).returncode == 1
    assert run(tmp_path, bad, good).returncode == 0
    for wrong in (["/no/such/file"], [good, "--organisation", "nobody"], [good, "--issuer", "x"]):
        done = run(tmp_path, *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")


def test_an_import_beside_the_running_server_is_seen_at_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, content in enumerate(alices()):
        (tmp_path / "in" / str(number)).write_bytes(content)
    with running(tmp_path / "data", ISSUER=SYSTEM) as server:
        staff = web(server)
        tally = server.run("import", str(tmp_path / "in"))
        assert (tally["accepted"], tally["details"]) == (4, [])
        found = parts(staff.get(address(ALICES)))
        assert sorted(content for _, content in found) == sorted(alices())
        assert server.run("import", str(tmp_path / "in"))["duplicate"] == 4


def test_an_issuer_makes_bare_numbers_numbers_of_its_system(tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(instance("CT_small.dcm", 1, "CAROL", f"{ALICES}.80"))
    with running(tmp_path / "data") as server:
        other = "https://other.example/ids"
        assert server.run("import", str(path), "--issuer", other)["accepted"] == 1
        carol = web(server, "patient/ImagingStudy.rs", f"{other}|CAROL")
        assert [value(one, "00100020") for one in carol.found("/studies")] == ["CAROL"]


def test_hostile_files_neither_crash_nor_grow_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    archive(folder / "bomb.zip", {f"{n}.dcm": bomb(64 << 20) for n in range(3)})
    deflated = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = b"".join(deflated.compress(bytes(1 << 20)) for _ in range(300)) + deflated.flush()
    head = part10(identified(), "1.2.840.10008.1.2.1.99")
    (folder / "deflated.dcm").write_bytes(head[:340] + zeros)
    (folder / "long.dcm").write_bytes(part10(identified()) + b"\xff" * 1000)
    (folder / "noise").write_bytes(os.urandom(1 << 20))
    (folder / "good.dcm").write_bytes(alices()[0])
    # Within a bound of its own: what the archives and the stream would expand to is more.
    done = run(tmp_path, str(folder), memory=1 << 30)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["files"] == 7
    assert answer["accepted"] == 1
    assert answer["rejected"] >= 4
