"""Time the Fréchet distance of large feature sets beside the usual route, a matrix square root by SciPy.

    python -m experiments.benchmarks.frechet                      # 10,000 × 2,048, as FID takes; two minutes
    python -m experiments.benchmarks.frechet --n 500 --d 64       # in seconds

genjax runs in float32, once compiled. The usual route takes covariances and `scipy.linalg.sqrtm` in float64; it is
also the reference for the value. Both are given features whose variances fall over four orders of magnitude.
"""

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from experiments.benchmarks.turns import header


@dataclass(frozen=True)
class Config:
    """Compare the time of two ways to the Fréchet distance."""

    n: int = 10_000
    """Samples in each set."""
    d: int = 2048
    """Features."""
    rounds: int = 3
    """Turns each side takes."""
    out: Path | None = None
    """JSON file for the results."""


def main(config: Config) -> None:
    if min(config.n, config.d) < 2 or config.rounds < 1:
        raise SystemExit("frechet: --n and --d must be at least 2, --rounds at least 1")
    results = header("jax", "scipy")
    import jax
    import jax.numpy as jnp
    import numpy as np
    from scipy.linalg import sqrtm

    from genjax import metrics

    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(config.d, config.d)))[0]
    scale = 10.0 ** (-2 * np.arange(config.d) / config.d)
    draw = lambda width, shift: rng.normal(size=(config.n, config.d)) * scale * width @ turn + shift
    sets = [x.astype(np.float32) for x in (draw(1.0, 0.0), draw(1.1, 0.01))]
    arrays = [jnp.asarray(x) for x in sets]
    distance = jax.jit(metrics.frechet_distance)

    def usual() -> float:
        a, b = (x.astype(float) for x in sets)
        root = sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
        traces = sum(np.trace(np.cov(x, rowvar=False)) for x in (a, b))
        return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + traces - 2 * np.trace(root).real)

    sides = {"genjax": lambda: float(distance(*arrays)), "sqrtm": usual}
    float(distance(*arrays))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    values: dict[str, float] = {}
    for _ in range(config.rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            values[name] = side()
            seconds[name].append(time.perf_counter() - started)
            print(f"{name}: {seconds[name][-1]:.2f} s, {values[name]:.6f}", flush=True)
    ratios = [b / a for a, b in zip(seconds["genjax"], seconds["sqrtm"], strict=True)]
    off = values["genjax"] / values["sqrtm"] - 1
    print(f"\nfaster by {statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f})")
    print(f"relative difference {off:.1e}")
    if config.out:
        content = results | {"seconds": seconds, "values": values}
        config.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Config))
