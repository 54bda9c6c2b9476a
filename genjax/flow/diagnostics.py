"""A self-check of a bijector against automatic differentiation and quadrature."""

import itertools
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax._checks import check_count, check_full_precision, check_scalar
from genjax.flow.bijector import Bijector, log_prob

__all__ = ["CheckReport", "check"]


class CheckReport(NamedTuple):
    """What `check` measured; the errors are the worst over the points tried.

    Args:
        forward_log_det_error: |log_det − log |det J|| of `forward`, over 1 + |log |det J||.
        inverse_log_det_error: the same of `inverse`.
        round_trip_error: ‖f⁻¹(f(z)) − z‖ / (1 + ‖z‖) over the condition number of f⁻¹ there, if above 1.
        mass: the integral of the density over the grid; None for an event of more than two dimensions.

    >>> CheckReport(0.0, 0.0, 0.0, None).mass is None
    True
    """

    forward_log_det_error: float
    inverse_log_det_error: float
    round_trip_error: float
    mass: float | None


def check(
    bijector: Bijector,
    x: Float[Array, "*event"],
    *,
    num_points: int = 16,
    tolerance: float | None = None,
    grid_limits: tuple[float, float] = (-8.0, 8.0),
    grid_size: int = 400,
) -> CheckReport:
    """Test that a bijector is one, and that its log-determinants are those of its Jacobian.

    f⁻¹(f(z)) = z, log_det = log |det J| in both directions, ∫ p(x) dx = 1

    At f⁻¹(x) and at standard normal draws z, which a flow has to accept (check `Invert(f)` if f starts on an
    interval). For your own bijectors, and for a trained flow: a network can reach weights whose inverse is lost in
    float32. The Jacobian of a D-dimensional event costs D reverse passes. Not for use under `jit`.

    Args:
        bijector: f, from noise to data.
        x: one event of data.
        num_points: how many z to try, apart from that of `x`.
        tolerance: on each of the three errors; 1e-4 in float32 and 1e-9 in float64 by default.
        grid_limits: ends of the interval, the same in every dimension, over which the density of an event of one or
            two dimensions is summed, in cells by their midpoints.
        grid_size: cells per dimension.

    Returns:
        `CheckReport`. The mass is reported and not judged: it is less than 1 if the grid is too small.

    Raises:
        TypeError: `x` is not float32 or float64.
        ValueError: f is not invertible, or a log-determinant is wrong, at a point that the message names; noise
            and data differ in size; or the density is NaN on the grid.

    >>> from genjax.flow import Affine
    >>> report = check(Affine(shift=jnp.ones(2), log_scale=jnp.zeros(2)), jnp.zeros(2))
    >>> print(f"{report.mass:.4f}")
    1.0000
    """
    check_full_precision(x=x)
    check_count(num_points=num_points, grid_size=grid_size)
    num_points, grid_size = int(num_points), int(grid_size)
    tolerance = tolerance or (1e-4 if jnp.finfo(x.dtype).bits == 32 else 1e-9)
    z_of_x, log_det = bijector.inverse(x)
    check_scalar("the log_det of bijector.inverse(x)", log_det)
    if z_of_x.size != x.size:
        raise ValueError(
            f"noise and data must have as many dimensions: noise {z_of_x.shape}, data {jnp.shape(x)}"
        )
    if not np.isfinite(z_of_x).all():
        raise ValueError(f"the bijector is not invertible at x = {_listed(x)}: f⁻¹(x) = {_listed(z_of_x)}")
    # NumPy's generator, because the points are part of the check and not of the user's randomness.
    draws = np.random.default_rng(0).normal(size=(num_points, *z_of_x.shape))
    z = jnp.concatenate([z_of_x[None], jnp.asarray(draws, z_of_x.dtype)])
    measured = jax.jit(jax.vmap(partial(_measure, bijector)))(z)
    round_trip, forward_error, inverse_error = (np.asarray(errors) for errors in measured)
    _refuse("is not invertible: f⁻¹(f(z)) is not z", z, round_trip, tolerance)
    _refuse("returns a wrong log_det from forward", z, forward_error, tolerance)
    _refuse("returns a wrong log_det from inverse", z, inverse_error, tolerance)
    mass = None
    if x.size <= 2:
        mass = _mass(bijector, x, *grid_limits, grid_size)
    return CheckReport(float(forward_error.max()), float(inverse_error.max()), float(round_trip.max()), mass)


def _measure(bijector: Bijector, z: Array) -> tuple[Array, Array, Array]:
    """Errors of the round trip and of both log-determinants; NaN where a map or its Jacobian is not finite."""
    x, log_det = bijector.forward(z)
    back, log_det_back = bijector.inverse(x)
    size = z.size
    # In reverse mode, because that is what training needs and all that a solver of differential equations offers.
    jacobian = jnp.reshape(jax.jacrev(lambda z: bijector.forward(z)[0])(z), (size, size))
    jacobian_back = jnp.reshape(jax.jacrev(lambda x: bijector.inverse(x)[0])(x), (size, size))
    norm = lambda a: jnp.sqrt(jnp.sum(a**2))
    # A rounding error of x, relative, becomes this many in z: what no inverse can avoid.
    condition = jnp.linalg.norm(jacobian_back, 2) * (1 + norm(x)) / (1 + norm(z))
    round_trip = norm(back - z) / (1 + norm(z)) / jnp.maximum(condition, 1.0)
    errors = []
    for claimed, matrix in ((log_det, jacobian), (log_det_back, jacobian_back)):
        exact = jnp.linalg.slogdet(matrix)[1]
        errors.append(jnp.abs(claimed - exact) / (1 + jnp.abs(exact)))
    return round_trip, errors[0], errors[1]


def _refuse(what: str, z: Array, errors: np.ndarray, tolerance: float) -> None:
    wrong = ~(errors <= tolerance)  # NaN too
    if wrong.any():
        worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
        raise ValueError(
            f"the bijector {what}, at z = {_listed(z[worst])}: error {errors[worst]:.3g}, tolerance {tolerance}"
        )


def _listed(event: Array) -> str:
    return np.array2string(np.asarray(event), precision=6, threshold=20)


def _mass(bijector: Bijector, x: Array, lower: float, upper: float, grid_size: int) -> float:
    cell = (upper - lower) / grid_size
    centers = lower + cell * (np.arange(grid_size) + 0.5)
    points = np.array(list(itertools.product(centers, repeat=x.size))).reshape(-1, *x.shape)
    grid = jnp.asarray(points, x.dtype)
    density = jax.jit(lambda grid: jax.lax.map(partial(log_prob, bijector), grid, batch_size=4096))
    log_probs = np.asarray(density(grid), np.float64)
    if np.isnan(log_probs).any():
        point = points[int(np.argmax(np.isnan(log_probs)))]
        raise ValueError(f"the density is NaN at x = {point}: set grid_limits inside the bijector's range")
    return math.fsum(np.exp(log_probs)) * cell**x.size
