"""Timing of loops that do the same work and take turns in one process, so that a slow machine slows them alike."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata

__all__ = ["Side", "header", "measure", "summarise"]

Side = Callable[[int], object]
"""`side(num_steps)` trains on and returns when all work is done."""


def measure(sides: dict[str, Side], num_steps: int, rounds: int) -> dict[str, list[float]]:
    """Steps per second of every side in every round, the sides taking turns, after one turn to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(num_steps)
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side(num_steps)
            rates[name].append(num_steps / (time.perf_counter() - started))
    return rates


def summarise(rates: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median rate of every side, and the ratio of genjax to it, round by round."""
    summary = {}
    for name, values in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["genjax"], values, strict=True)]
        summary[name] = {
            "steps_per_second": statistics.median(values),
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        }
    return summary


def header(*packages: str) -> dict[str, object]:
    """What a reader needs to place the numbers: versions, and how busy the machine was before this script."""
    versions = {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}
    load = os.getloadavg()[0]
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"load average before the run {load:.1f}\n")
    return {"versions": versions, "load_average": load}
