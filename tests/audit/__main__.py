"""Run the audit and print the worst of each function; exit code 1 where a bar is broken or a name is missing.

`python -m tests.audit densities gan` audits the functions whose names contain a word, `--short` those of SHORT. At
the end stands what other libraries that are installed make of the same inputs; `--no-peers` leaves it out.
"""

import os
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from . import CASES, missing
from .case import BAR, FACTOR, measure, reference, worst
from .peer import Row, compare, installed, table
from .peers import PEERS

SHORT = (  # a minute's worth, for a quick check
    *("densities.bernoulli", "densities.normal", "kl_normal", "kl_categorical", "gan.non_saturating"),
    *("linear_schedule", "VariancePreserving", "posterior_variance", "score.langevin_step"),
)


def main(*words: str) -> int:
    """Audit the functions whose names contain one of the words, or all; words that begin with a dash are options."""
    only = [word for word in words if not word.startswith("-")]
    options = set(words) - set(only)
    if unknown := options - {"--short", "--no-peers"}:
        raise SystemExit(f"options are --short and --no-peers; got {', '.join(sorted(unknown))}")
    only += SHORT if "--short" in options else ()
    start, num_numbers, rooms, faults = time.perf_counter(), 0, {}, []
    rows: list[Row] = []
    print(f"{'function':62} numbers  relative  of round-off   (bars: {BAR:g} and {FACTOR})", flush=True)
    for name, cases in sorted(CASES.items()):
        if only and not any(part in name for part in only):
            continue
        truths = [reference(case) for case in cases]
        results = [measure(case, truth) for case, truth in zip(cases, truths, strict=True)]
        count = sum(r.num_numbers for r in results)
        relative, conditioned = worst(r.relative for r in results), worst(r.conditioned for r in results)
        new = [f"{name}: {fault}" for r in results for fault in r.faults]
        print(
            f"{name:62} {count:7d}  {relative:8.1e}  {conditioned:12.2f}   {'FAILS' if new else ''}",
            flush=True,
        )
        room = name.split(".")[1]
        rooms[room] = worst([rooms.get(room, 0.0), relative])
        num_numbers, faults = num_numbers + count, faults + new
        if "--no-peers" not in options:
            ours = [r.parts for r in results]
            peers = [peer for peer in PEERS.get(name, []) if installed(peer.package)]
            rows += [compare(name, peer, cases, truths, ours) for peer in peers]
    print("\n".join(["", *faults[:200]]))
    absent = sorted(missing())
    if absent:
        print(f"public, but neither audited nor exempt in tests/audit: {', '.join(absent)}")
    print("\n".join(f"{room:16} {largest:.1e}" for room, largest in sorted(rooms.items())))
    print(f"{num_numbers} numbers, {len(faults)} beyond the bars, {time.perf_counter() - start:.0f} s")
    if "--no-peers" not in options:
        packages = {peer.package for peers in PEERS.values() for peer in peers}
        print("\n" + table(rows, sorted(package for package in packages if not installed(package))))
    return 1 if faults or absent else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
