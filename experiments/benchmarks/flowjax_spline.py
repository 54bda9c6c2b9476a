"""Measure training steps per second of a spline coupling flow in the plane: genjax beside flowjax, on 2 CPU cores.

    python -m experiments.benchmarks.flowjax_spline                           # a minute
    python -m experiments.benchmarks.flowjax_spline --rounds 1 --steps 100    # a tiny run

Both sides train eight coupling layers of rational-quadratic splines with eight bins, by ReLU perceptrons of two
hidden layers of 64, on batches of 512 points, with Adam. genjax runs `fit`. flowjax runs its own `fit_to_data`, with
one batch of validation per epoch of 100 steps; and its compiled training step alone, in a loop that neither reads the
loss nor draws batches, the least it can take. Compilation is not counted on either side; it is printed. Each side has
its own spline: flowjax evaluates it forwards where genjax inverts it. flowjax is no dependency of genjax:
`pip install flowjax`.
"""

import json
import time
from dataclasses import dataclass
from functools import partial
from importlib import util
from pathlib import Path

import tyro

from experiments.benchmarks.turns import Side, header, measure, summarise

LAYERS, WIDTH, BINS, BOUND, BATCH_SIZE = 8, 64, 8, 4.0, 512
EPOCH = 100  # training batches; one more is for flowjax's validation


@dataclass(frozen=True)
class Config:
    """Compare training steps per second of genjax and flowjax."""

    rounds: int = 9
    """Turns each side takes, after one to warm up."""
    steps: int = 200
    """Steps per turn, a multiple of 100, which flowjax takes as an epoch."""
    out: Path | None = None
    """JSON file for the results."""


def genjax_side(data) -> Side:
    """`fit` of the negative log-likelihood, as a user of the library writes it."""
    import jax
    import optax

    from genjax import nn
    from genjax.flow import negative_log_likelihood
    from genjax.training import fit, make_step

    flow = nn.spline_coupling_flow(
        jax.random.key(0), 2, num_layers=LAYERS, hidden=(WIDTH, WIDTH), num_bins=BINS, bound=BOUND
    )
    loss = lambda flow, key, batch: jax.vmap(partial(negative_log_likelihood, flow))(batch).mean()
    init, step = make_step(loss, optax.adam(1e-3))
    state = init(flow)

    def side(num_steps: int) -> float:
        nonlocal state
        state, metrics = fit(
            jax.random.key(1), step, state, data, num_steps=num_steps, batch_size=BATCH_SIZE, donate=True
        )
        return float(metrics["loss"][-1])

    return side


def flowjax_sides(data) -> dict[str, Side]:
    """`fit_to_data` of flowjax, and its own step of maximum likelihood called in a loop."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax
    import paramax  # pyright: ignore[reportMissingImports]
    from flowjax.bijections import RationalQuadraticSpline  # pyright: ignore[reportMissingImports]
    from flowjax.distributions import Normal  # pyright: ignore[reportMissingImports]
    from flowjax.flows import coupling_flow  # pyright: ignore[reportMissingImports]
    from flowjax.train import fit_to_data  # pyright: ignore[reportMissingImports]
    from flowjax.train.losses import MaximumLikelihoodLoss  # pyright: ignore[reportMissingImports]
    from flowjax.train.train_utils import step  # pyright: ignore[reportMissingImports]

    flow = coupling_flow(
        jax.random.key(0),
        base_dist=Normal(jnp.zeros(2)),
        transformer=RationalQuadraticSpline(knots=BINS, interval=BOUND),
        flow_layers=LAYERS,
        nn_width=WIDTH,
        nn_depth=2,
    )
    fixed = lambda leaf: isinstance(leaf, paramax.NonTrainable)
    params, static = eqx.partition(flow, eqx.is_inexact_array, is_leaf=fixed)
    optimizer, loss, key = optax.adam(1e-3), MaximumLikelihoodLoss(), jax.random.key(1)
    opt_state = optimizer.init(params)
    batches = data.reshape(-1, BATCH_SIZE, 2)

    def fit_side(num_steps: int) -> float:
        _, losses = fit_to_data(
            key,
            flow,
            data,
            loss_fn=loss,
            optimizer=optimizer,
            max_epochs=num_steps // EPOCH,
            max_patience=num_steps,
            batch_size=BATCH_SIZE,
            val_prop=1 / (EPOCH + 1),
            show_progress=False,
        )
        return losses["train"][-1]

    def step_side(num_steps: int) -> float:
        nonlocal params, opt_state
        value = jnp.zeros(())
        for i in range(num_steps):
            batch = batches[i % len(batches)]
            params, opt_state, value = step(
                params, static, batch, optimizer=optimizer, opt_state=opt_state, loss_fn=loss, key=key
            )
        return float(value)

    return {"flowjax fit": fit_side, "flowjax step": step_side}


def main(config: Config) -> None:
    if config.rounds < 1 or config.steps < EPOCH or config.steps % EPOCH:
        raise SystemExit(f"flowjax_spline: --rounds must be at least 1, --steps a multiple of {EPOCH}")
    if util.find_spec("flowjax") is None:
        raise SystemExit("flowjax_spline: flowjax is missing; install it with `pip install flowjax`")
    results = header("jax", "optax", "equinox", "flowjax")
    import jax

    data = jax.random.normal(jax.random.key(2), ((EPOCH + 1) * BATCH_SIZE, 2))
    sides = {"genjax": genjax_side(data)} | flowjax_sides(data)
    for name, side in sides.items():
        started = time.perf_counter()
        side(config.steps)
        print(f"{name}: first turn, with compilation, {time.perf_counter() - started:.1f} s", flush=True)
    rates = measure(sides, config.steps, config.rounds)
    summary = summarise(rates)
    print(f"\n{'side':14}{'steps/s':>9}   genjax's ratio to it: median (min–max)")
    for name, row in summary.items():
        ratio = f"{row['ratio']:.2f} ({row['ratio_min']:.2f}–{row['ratio_max']:.2f})"
        print(f"{name:14}{row['steps_per_second']:9.0f}   {'' if name == 'genjax' else ratio}")
    if config.out:
        content = results | {"sides": summary, "rates": rates}
        config.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Config))
