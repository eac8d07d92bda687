"""What the bench puts into a store below its doors is what the doors would have put there."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench import fill
from bench.objects import TINY, draw
from server.store.fhir_tables import resource
from server.store.tables import instance, patient, study
from tests.support.houses import opened

# Numbers of our own making, moments, and what is random.
_OWN = frozenset(
    (
        "rid",
        "salt",
        "blob",
        "updated",
        "created",
        "changed",
        "arrived",
        "settled",
        "issued",
        "message",
    )
)
# As a text, and in microseconds since 2026: when something was recorded.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)|\b1(?:79|[89]\d)\d{13}\b")


def _known(rows: list[tuple[Any, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Rows as texts, in which what was made is called after what it is and not by its id."""
    kinds = {row["id"]: row["type"] for table, row in rows if table is resource}

    def plain(row: dict[str, Any]) -> str:
        text = repr(sorted(i for i in row.items() if i[0] not in _OWN))
        for id_, kind in kinds.items():
            text = text.replace(id_, kind)
        return _MOMENT.sub("", text)

    return sorted((table.name, plain(row)) for table, row in rows)


def test_a_copied_study_is_what_the_doors_make_of_it(tmp_path: Path) -> None:
    number = next(n for n in range(fill.SEED, fill.SEED + 9_000) if fill.day(n) == fill.DAY)
    with opened(tmp_path, SETTLE_SECONDS="0") as house:
        seed = fill.store(house, draw(TINY), fill.SEED, 3)
        real = fill.store(house, draw(TINY), number, 3)
    copied = list(fill.copy(seed, number))
    assert _known(copied) == _known(list(real.rows))
    assert _ids(copied) == _ids(real.rows), "of whom and what is told by numbers"
    kinds = {row["type"] for table, row in copied if table is resource}
    assert kinds >= {"Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport"}


def _ids(rows: Any) -> set[str]:
    of = ("Patient", "ImagingStudy")
    return {row["id"] for table, row in rows if table is resource and row["type"] in of}


def test_a_filled_store_holds_as_many_patients_as_were_asked_for(tmp_path: Path) -> None:
    fill.fill(tmp_path, 2_000_000, 30, instances=10)
    with opened(tmp_path) as house, house.database.read() as connection:
        for table, times in ((patient, 1), (study, 1), (instance, 10)):
            assert (
                connection.execute(select(func.count()).select_from(table)).scalar() == 31 * times
            )
