"""`python -m bench [rows…]`: measures the speed claims and prints one table.

Each row is measured in turn with its peer and its limit, on loopback, in a scratch folder (TMPDIR
says where) that is removed at the end. Rows are named in full or by a beginning, such as `cstore`.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from bench import cget, cstore, fhir, gate, mllp, oauth, qido, startup, stow, viewer, wado
from bench.harness import QUICK, TINY, Line, Row, Scale, as_json, say, table
from bench.stand import Stand

GROUPS: tuple[ModuleType, ...] = (
    startup,
    cstore,
    cget,
    stow,
    wado,
    viewer,
    qido,
    fhir,
    gate,
    oauth,
    mllp,
)


def measure(names: list[str], scale: Scale) -> list[Line]:
    """Measure the rows whose names begin with one of these, or all."""
    lines: list[Line] = []
    with Stand() as stand:
        for group in GROUPS:
            rows = frozenset(row for row in group.ROWS if _wanted(row, names))
            if rows:
                say((group.__doc__ or "").splitlines()[0])
                lines += group.lines(stand, scale, rows)
                stand.rest()
    return lines


def _wanted(row: Row, names: list[str]) -> bool:
    return not names or any(row.name.startswith(name) for name in names)


def machine() -> str:
    """What was measured on, in a line."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    """Run the bench; gives the exit code."""
    known = [row.name for group in GROUPS for row in group.ROWS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="fewer objects, under 3 minutes")
    parser.add_argument(
        "--full",
        action="store_true",
        help="fill the peer to 100,000 studies, and stores of ours to as many with ten instances, an "
        "order and a report each, and to a million patients",
    )
    parser.add_argument("--tiny", action="store_true", help="try it out: measures nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every single value")
    chosen = parser.parse_args()
    strange = [name for name in chosen.rows if not any(row.startswith(name) for row in known)]
    if strange:
        parser.error(f"no row begins with {strange[0]}; there are {', '.join(known)}")
    before = machine()
    scale = TINY if chosen.tiny else QUICK if chosen.quick else Scale()
    if chosen.full:
        scale = replace(scale, full=True, instances=10)
    lines = measure(chosen.rows, scale)
    print(f"{before}\n\n{table(lines)}")
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": before, "lines": as_json(lines)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
