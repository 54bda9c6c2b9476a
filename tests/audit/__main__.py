"""Run the audit and print the worst of each function; exit code 1 where a bar is broken or a name is missing."""

import os
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from . import CASES, missing
from .case import BAR, FACTOR, measure


def main(*only: str) -> int:
    """Audit the functions whose names contain one of `only`, or all."""
    start, num_numbers, rooms, faults = time.perf_counter(), 0, {}, []
    print(f"{'function':62} numbers  relative  of round-off   (bars: {BAR:g} and {FACTOR})", flush=True)
    for name, cases in sorted(CASES.items()):
        if only and not any(part in name for part in only):
            continue
        results = [measure(case) for case in cases]
        count = sum(r.num_numbers for r in results)
        relative, conditioned = max(r.relative for r in results), max(r.conditioned for r in results)
        new = [f"{name}: {fault}" for r in results for fault in r.faults]
        print(
            f"{name:62} {count:7d}  {relative:8.1e}  {conditioned:12.2f}   {'FAILS' if new else ''}",
            flush=True,
        )
        room = name.split(".")[1]
        rooms[room] = max(rooms.get(room, 0.0), relative)
        num_numbers, faults = num_numbers + count, faults + new
    print("\n".join(["", *faults[:200]]))
    absent = sorted(missing())
    if absent:
        print(f"public, but neither audited nor exempt in tests/audit: {', '.join(absent)}")
    print("\n".join(f"{room:16} {worst:.1e}" for room, worst in sorted(rooms.items())))
    print(f"{num_numbers} numbers, {len(faults)} beyond the bars, {time.perf_counter() - start:.0f} s")
    return 1 if faults or absent else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
