"""The partition function where it can be summed: grids in the plane, small discrete spaces."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax._checks import check_count, check_full_precision, check_same_shape, check_values
from genjax._log_sum import log_sum_exp
from genjax.energy._energies import EnergyFn, energies_of

__all__ = ["LogPartition", "log_partition_enumeration", "log_partition_quadrature"]

MAX_GRID_DIMS = 3


class LogPartition(NamedTuple):
    """The log of a partition function and how far it may be off, in nats.

    Args:
        log_z: log Z, or an estimate of it.
        error: zero of an exact sum; of chains the standard error, as far as `Bracket.errors_hold`; of quadrature the
            change of log Z from a rule of half as many points: an estimate of the discretisation, too large where
            both rules resolve the density, and no bound where they do not. A peak narrower than the distance of
            points may be missed by both, or hit by one and counted many times over, whatever the error says. The
            mass outside the box and round-off are never counted.

    >>> print(LogPartition(log_z=jnp.array(1.5), error=jnp.array(0.25)).log_z)
    1.5
    """

    log_z: Array
    error: Array


def log_partition_quadrature(
    energy_fn: EnergyFn,
    lower: Float[Array, " d"],
    upper: Float[Array, " d"],
    *,
    num_points: int,
    chunk_size: int = 4096,
) -> LogPartition:
    """Log of the integral of exp(−E) over a box of at most three dimensions, by Gauss–Legendre quadrature.

    log Z = log ∫ exp(−E(x)) dx ≈ log Σ_{i_1..i_d} w_{i_1} ⋯ w_{i_d} exp(−E(x_{i_1..i_d}))

    The points of an axis stand at most π (upper − lower) / 2n apart. A density with narrower peaks is not resolved,
    and the error does not tell: compare with a larger n. The grid has n^d points. Each further dimension multiplies
    the cost by n, so that above three dimensions the call is refused: use `annealed_importance_sampling`.

    Args:
        energy_fn: `energy_fn(x) -> scalar`, in nats, for x of shape `[d]`; +∞ where the density is zero.
        lower: the box's lower corner, `[d]`, d = 1, 2 or 3.
        upper: its upper corner, `[d]`.
        num_points: n, the points along one axis, at least 2.
        chunk_size: points evaluated at once, in the value and in its reverse-mode gradient.

    Returns:
        `LogPartition(log_z, error)`, in nats.

    Raises:
        TypeError: a corner or the energy is not floating point, or is of half precision.
        ValueError: d is above 3, shapes differ, `upper` is not above `lower`, an energy is NaN or −∞, or none is
            finite (NaN under `jit`).

    Source: Golub and Welsch (1969), the nodes and weights of one axis.

    >>> grid = log_partition_quadrature(lambda x: jnp.sum(x**2) / 2, -9 * jnp.ones(2), 9 * jnp.ones(2), num_points=60)
    >>> print(f"{grid.log_z:.4f} {jnp.log(2 * jnp.pi):.4f}")
    1.8379 1.8379
    """
    check_full_precision(lower=lower, upper=upper)
    check_same_shape(lower=lower, upper=upper)
    if jnp.ndim(lower) != 1 or jnp.size(lower) == 0:
        raise ValueError(f"lower and upper must be vectors [d]; got shape {jnp.shape(lower)}")
    check_count(num_points=num_points, chunk_size=chunk_size)
    num_points = int(num_points)
    if num_points < 2:
        raise ValueError(f"num_points must be at least 2; got {num_points}")
    num_dims = lower.shape[0]
    if num_dims > MAX_GRID_DIMS:
        raise ValueError(
            f"a grid in {num_dims} dimensions costs {num_points}^{num_dims} = "
            f"10^{num_dims * math.log10(num_points):.1f} energies; at most {MAX_GRID_DIMS} dimensions are "
            f"summed on a grid: use annealed_importance_sampling"
        )
    ordered = upper > lower
    check_values("upper", upper, ordered, "exceed lower")
    lower = jnp.where(ordered, lower, jnp.nan)

    def log_z(n: int) -> Array:
        nodes, weights = np.polynomial.legendre.leggauss(n)
        half = (upper - lower) / 2
        # [d, n]: the points of each axis; a point of the grid is one index per axis.
        points = lower[:, None] + half[:, None] * jnp.asarray(1 + nodes, lower.dtype)[None]
        axes = jnp.arange(num_dims)
        index = jnp.stack(jnp.unravel_index(jnp.arange(n**num_dims), (n,) * num_dims), axis=-1)
        energies = energies_of(lambda i: energy_fn(points[axes, i]), index, chunk_size)
        log_weights = jnp.sum(jnp.asarray(np.log(weights), energies.dtype)[index], axis=-1)
        return _finite(log_sum_exp(log_weights - energies) + jnp.sum(jnp.log(half)).astype(energies.dtype))

    fine, coarse = log_z(num_points), log_z(num_points // 2)
    return LogPartition(fine, jnp.abs(fine - coarse))


def log_partition_enumeration(energy_fn: EnergyFn, states: Array, *, chunk_size: int = 4096) -> LogPartition:
    """Log of the sum of exp(−E) over all states of a small discrete space.

    log Z = log Σ_x exp(−E(x))

    Args:
        energy_fn: `energy_fn(x) -> scalar`, in nats; +∞ for a state of probability zero.
        states: every state once, `[m, ...]` (or integers that `energy_fn` decodes).
        chunk_size: states evaluated at once, in the value and in its reverse-mode gradient.

    Returns:
        `LogPartition(log_z, error)`, in nats; the error is zero.

    Raises:
        TypeError: the energy is not floating point.
        ValueError: there is no state, the energy is not a scalar, is NaN or −∞, or none is finite (NaN under `jit`).

    >>> spins = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    >>> print(f"{log_partition_enumeration(lambda s: -s[0] * s[1], spins).log_z:.4f}")      # log (2e + 2/e)
    1.8201
    """
    check_count(chunk_size=chunk_size)
    if jnp.ndim(states) == 0 or jnp.shape(states)[0] == 0:
        raise ValueError(f"states must be [m, ...] with at least one state; got shape {jnp.shape(states)}")
    log_z = _finite(log_sum_exp(-energies_of(energy_fn, states, chunk_size)))
    return LogPartition(log_z, jnp.zeros_like(log_z))


def _finite(log_z: Float[Array, ""]) -> Float[Array, ""]:
    """The log Z given, refused at −∞: where every energy is +∞ there is nothing to normalise."""
    finite = log_z > -jnp.inf
    check_values("log Z", log_z, finite, "be finite, that is, some energy below +inf")
    return jnp.where(finite, log_z, jnp.nan)
