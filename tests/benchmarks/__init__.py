"""How fast, always as a ratio to a yardstick that runs beside it: `python -m tests.benchmarks` (see docs/benchmarks.md)."""
