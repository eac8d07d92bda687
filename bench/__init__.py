"""Speed claims, measured: `python -m bench` (and `python -m bench.crash` for durability)."""
