"""The page that sets what the server makes of HL7 v2 beside what another converter makes of it.

The counts are measured (tests/support/agreement.py), the reasons are written here by hand. A test holds
that no difference is without a reason, and no reason without a difference.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

# By family of message and element: agreed, another value, ours alone, theirs alone.
Counts = dict[str, dict[str, list[int]]]
COUNTS = Path(__file__).parent / "agreement.json"
REASONS: Mapping[str, str] = {}
