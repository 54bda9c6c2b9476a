"""A learned density beside the true one, where that is known."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from genjax.data.dataset import Dataset, evenly_spaced
from genjax.data.toy import Circle
from genjax.report import figures
from genjax.report.figures import Picture
from genjax.report.measure import Measured
from genjax.report.summary import Quantity, quantity
from genjax.training.experiment import Trained
from genjax.training.model import Model

__all__ = ["Truth", "beside_the_truth", "entropy_gap"]

BAND = 0.2
"""Half the width of the band around the circle whose mass is reported."""
NUM_CELLS = 400


class Truth(NamedTuple):
    """What comparing with the truth gives.

    Args:
        rows: of the section on likelihood.
        picture: true density, learned density and samples.
    """

    rows: dict[str, Quantity]
    picture: Picture


def beside_the_truth(
    model: Model, trained: Trained, measured: Measured, data: Dataset, *, limit: float
) -> Truth:
    """Compare an exact likelihood in the plane with the law of the data.

    Args:
        model: what was trained; its first log-likelihood is taken.
        trained: its parameters.
        measured: from `measure`.
        data: a data set whose density is known.
        limit: half the side of the square on which densities are integrated and drawn.

    Returns:
        `Truth`.
    """
    density = data.density
    assert density is not None
    name, log_prob = next(iter(model.log_probs.items()))
    cell = 2 * limit / NUM_CELLS
    centers = -limit + cell * (jnp.arange(NUM_CELLS) + 0.5)
    grid = jnp.stack(jnp.meshgrid(centers, centers), axis=-1).reshape(-1, 2)

    @jax.jit
    def learned(params: Any, grid: Array) -> Array:
        def one_seed(params: Any) -> Array:
            given = log_prob.given(params)
            return jax.lax.map(lambda x: given(jax.random.key(0), x), grid, batch_size=4000)

        return jax.lax.map(one_seed, params)

    true = jax.jit(jax.vmap(density.log_prob))(grid)
    log_densities = learned(trained.params, grid)
    of_data = jax.jit(jax.vmap(density.log_prob))(jnp.asarray(data.test))
    mass = lambda log_density, where: jnp.sum(jnp.exp(log_density) * where, axis=-1) * cell**2
    everywhere = jnp.ones(len(grid))
    of = model.view.of
    entropy = {"baseline": -float(of_data.mean()), "baseline_of": "entropy of the data"}
    rows = {
        f"−{name}": replace(measured.sections["Likelihood"].rows[f"−{name}"], **entropy),
        **entropy_gap(measured, data),
        "mass on the grid": quantity(
            mass(log_densities, everywhere[None]),
            of=of,
            baseline=float(mass(true, everywhere)),
            baseline_of="the true density",
        ),
    }
    if isinstance(density, Circle):
        in_band = lambda x: jnp.abs(jnp.sqrt(jnp.sum(x**2, axis=-1)) - density.radius) <= BAND
        near = float(mass(true, in_band(grid)))
        about = {"of": of, "baseline": near, "baseline_of": "the true density"}
        rows |= {
            f"mass within {BAND} of the circle": quantity(mass(log_densities, in_band(grid)[None]), **about),
            f"samples within {BAND} of the circle": quantity(in_band(measured.samples).mean(1), **about),
        }
    square = lambda values: values.reshape(NUM_CELLS, NUM_CELLS)
    panels = figures.densities(
        {"true density": square(true), "learned density": square(log_densities[0])}, limit=limit
    )
    panels.append(figures.scatter("samples", measured.samples[0], limit=limit))
    caption = "The true and the learned density on one logarithmic scale, and samples, of the first seed."
    return Truth(rows, Picture("density", caption, tuple(panels)))


def entropy_gap(measured: Measured, data: Dataset) -> dict[str, Quantity]:
    """How far the likelihood of test points is from their own law's, on the points whose likelihood was measured.

    Args:
        measured: from `measure`.
        data: a data set whose density is known.

    Returns:
        One row.
    """
    assert data.density is not None
    nats = next(iter(measured.log_probs.values()))
    chosen = jnp.asarray(evenly_spaced(data.test, nats.shape[1]))
    gaps = np.asarray(jax.jit(jax.vmap(data.density.log_prob))(chosen)[None] - nats)
    error = gaps.std(axis=1, ddof=1) / gaps.shape[1] ** 0.5
    note = "−log p(x) of the model less that of the true density, on the same points"
    about = {"of": f"points of {data.name}", "baseline": 0.0, "baseline_of": "the truth"}
    return {"entropy gap": quantity(gaps.mean(1), "nats", over_test=error, note=note, **about)}
