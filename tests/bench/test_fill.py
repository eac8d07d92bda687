"""What the bench puts into a store below its doors is what the doors would have put there."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench import fill
from bench.objects import TINY, draw
from server.store.tables import patient, study
from tests.support.houses import opened

# Numbers of our own making, moments, and what is random.
_OWN = frozenset(
    {"rid", "salt", "blob", "updated", "created", "changed", "arrived", "settled", "issued"}
)
_MOMENT = re.compile(r"(?<=\"lastUpdated\":\")[^\"]+")


def _known(rows: list[tuple[Any, dict[str, Any]]]) -> list[tuple[str, str]]:
    return sorted(
        (table.name, _MOMENT.sub("", repr(sorted(i for i in row.items() if i[0] not in _OWN))))
        for table, row in rows
    )


def test_a_copied_study_is_what_the_door_makes_of_it(tmp_path: Path) -> None:
    number = next(n for n in range(fill.SEED, fill.SEED + 9_000) if fill.day(n) == fill.DAY)
    with opened(tmp_path) as house:
        seed = fill.store(house, draw(TINY), fill.SEED)
        real = fill.store(house, draw(TINY), number)
    assert _known(list(fill.copy(seed, number))) == _known(list(real.rows))


def test_a_filled_store_holds_as_many_patients_as_were_asked_for(tmp_path: Path) -> None:
    fill.fill(tmp_path, 2_000_000, 30)
    with opened(tmp_path) as house, house.database.read() as connection:
        for table in (patient, study):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 31
