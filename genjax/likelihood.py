"""What a reported likelihood means, and its units."""

import enum
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from genjax._checks import (
    check_count,
    check_float,
    check_full_precision,
    check_integer,
    check_not_nan,
    check_same_shape,
    check_values,
)

__all__ = ["Kind", "Likelihood", "bits_per_dim", "dequantize"]


class Kind(enum.StrEnum):
    """How a number stands to the true log-likelihood.

    >>> str(Kind.LOWER_BOUND)
    'lower bound'
    """

    EXACT = "exact"
    LOWER_BOUND = "lower bound"
    ESTIMATE = "estimate"


@dataclass(frozen=True)
class Likelihood:
    """A log-likelihood as every family reports it, so that no report mixes a bound with an exact value unknowingly.

    Args:
        nats: log p(x) a datum, in nats, averaged over data.
        num_dims: dimensions of one datum.
        kind: exact, a lower bound, or an estimate.
        standard_error: of `nats`; the report says over what (data, seeds).

    >>> Likelihood(nats=-90.0, num_dims=64, kind=Kind.LOWER_BOUND, standard_error=0.5).kind.value
    'lower bound'
    """

    nats: float
    num_dims: int
    kind: Kind
    standard_error: float


def dequantize(
    levels: Integer[Array, "*event"], noise: Float[Array, "*event"], *, num_levels: int = 256
) -> Float[Array, "*event"]:
    """Spread integer levels uniformly over their bins in [0, 1).

    x = (v + u) / num_levels, u ~ U[0, 1)

    Rounding never carries a value over the ends of its bin: ⌊num_levels x⌋ is the level again, and x < 1.

    Args:
        levels: v, integers in 0..num_levels−1, of any shape.
        noise: u in [0, 1), of the shape of `levels`.
        num_levels: the number of levels.

    Returns:
        x in [v / num_levels, (v + 1) / num_levels), elementwise, in the dtype of `noise`.

    Raises:
        TypeError: `levels` is not integer, or `noise` is not float32 or float64.
        ValueError: shapes differ, more levels than the dtype of `noise` can tell apart, or a level or a noise is out
            of range (NaN under `jit`).

    Source: Theis et al. (2016), section 3.1; Uria et al. (2013).

    >>> print(dequantize(jnp.array([0, 3]), jnp.array([0.0, 0.5]), num_levels=4))
    [0.    0.875]
    """
    check_integer(levels=levels)
    check_full_precision(noise=noise)
    check_count(num_levels=num_levels)
    num_levels = int(num_levels)
    most = int(1 / (8 * jnp.finfo(noise.dtype).eps))
    if num_levels > most:
        raise ValueError(f"num_levels must be at most {most} in {noise.dtype}; got {num_levels}")
    check_same_shape(levels=levels, noise=noise)
    levels = levels.astype(int)  # as bytes, 256 would wrap to 0 in the comparison
    in_range = (levels >= 0) & (levels < num_levels)
    check_values("levels", levels, in_range, f"lie in 0..{num_levels - 1}")
    in_bin = (noise >= 0) & (noise < 1)
    check_values("noise", noise, in_bin, "lie in [0, 1)")
    v = levels.astype(noise.dtype)
    x = (v + noise) / num_levels
    # Two neighbours inwards are inside whatever the rounding of the ends; where those are exact the lower one stays.
    exact = num_levels & (num_levels - 1) == 0
    start = v / num_levels if exact else jnp.where(v == 0, 0.0, _next(_next(v / num_levels, 1.0), 1.0))
    end = _next(_next((v + 1) / num_levels, 0.0), 0.0)
    x = x + jax.lax.stop_gradient(jnp.clip(x, start, end) - x)  # the slope is 1 / num_levels there too
    return jnp.where(in_range & in_bin, x, jnp.nan)


def _next(x: Array, towards: float) -> Array:
    return jnp.nextafter(x, jnp.asarray(towards, x.dtype))


def bits_per_dim(nll: Float[Array, ""] | float, num_dims: int, *, num_levels: int = 256) -> Float[Array, ""]:
    """Bits per dimension of data with `num_levels` levels from a density on [0, 1).

    bits/dim = nll / (D log 2) + log₂ num_levels

    The second term is the Jacobian of `dequantize`. A discrete model, whose `nll` already is that of the levels,
    takes `num_levels=1`.

    Args:
        nll: −log p(x) in nats, summed over the event.
        num_dims: D.
        num_levels: the levels that `dequantize` spread; 1 for a discrete model.

    Returns:
        Bits per dimension.

    Raises:
        TypeError: `nll` is not floating point.
        ValueError: a count below 1, or a NaN.

    Source: Theis et al. (2016), section 3.1.

    >>> print(bits_per_dim(0.0, 784))
    8.0
    """
    check_float(nll=nll)
    check_count(num_dims=num_dims, num_levels=num_levels)
    check_not_nan(nll=jnp.asarray(nll))
    return jnp.asarray(nll) / (int(num_dims) * math.log(2)) + math.log2(num_levels)
