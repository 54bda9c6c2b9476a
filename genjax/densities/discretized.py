"""Densities of a real number integrated over the bin of each level: the probability of quantised data."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from genjax._checks import (
    check_count,
    check_float,
    check_full_precision,
    check_not_nan,
    check_same_shape,
    check_values,
)
from genjax.densities.elementary import _valid_sum, mixture_log_prob

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_REACH = 80.0
"""Beyond exp(-_REACH/2) of its largest value a normal density is left out of an integral."""


def discretized_normal_log_prob(
    x: Float[Array, "*event"],
    mean: Float[Array, "*event"],
    log_var: Float[Array, "*event"],
    *,
    num_levels: int = 256,
) -> Float[Array, ""]:
    """Log-probability of quantised data under a normal density integrated over each level's bin.

    p(x) = Φ((x + h − μ)/σ) − Φ((x − h − μ)/σ), h = 1 / (num_levels − 1);
    the tails are open: the lowest bin starts at −∞ and the highest ends at ∞, so the levels sum to 1

    The decoder of a diffusion model of images, `log_likelihood` of `genjax.diffusion.variational_bound`.

    Args:
        x: points of the grid −1, −1 + 2h, …, 1, of any shape; float32 or float64.
        mean: μ, of the shape of `x`.
        log_var: log σ², of the shape of `x`.
        num_levels: the number of grid points, at least 2.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an argument is not floating point, or `x` is too coarse to hold the grid (bfloat16, float16).
        ValueError: shapes differ, a NaN, or an `x` off the grid (NaN under `jit`).

    Source: Ho et al. (2020), equation 13.

    >>> levels = jnp.linspace(-1, 1, 256)
    >>> p = jax.vmap(lambda x: jnp.exp(discretized_normal_log_prob(x, jnp.array(0.3), jnp.array(-7.0))))
    >>> print(f"{p(levels).sum():.4f}")
    1.0000
    """
    check_same_shape(x=x, mean=mean, log_var=log_var)
    on_grid = _check_levels(x, num_levels, mean=mean, log_var=log_var)
    half_bin = 1 / (int(num_levels) - 1)
    inverse_scale = jnp.exp(-log_var / 2)
    lowest, highest = x < -1 + half_bin, x > 1 - half_bin
    lower = jnp.where(lowest, -jnp.inf, (x - half_bin - mean) * inverse_scale)
    upper = jnp.where(highest, jnp.inf, (x + half_bin - mean) * inverse_scale)
    width = jnp.where(lowest | highest, jnp.inf, 2 * half_bin * inverse_scale)
    return _valid_sum(on_grid, _log_normal_mass(lower, upper, width))


def _log_normal_mass(
    lower: Float[Array, "*event"], upper: Float[Array, "*event"], width: Float[Array, "*event"]
) -> Float[Array, "*event"]:
    """log(Φ(upper) − Φ(lower)), where a difference of the two would cancel in narrow bins and far tails.

    From the point of the bin that is nearest to 0, at a distance a from it, the density is φ(a) exp(−a d − d²/2) at
    the distance d beyond: quadrature knows that smooth integral to the last digit. A bin around 0 with half of the
    mass or more is the sum of its two sides, or what its tails leave.
    """
    both = lambda side: (side(upper / math.sqrt(2)) + side(-lower / math.sqrt(2))) / 2
    mass, tails = both(jax.lax.erf), both(jax.lax.erfc)
    around, half, nearly_all = (lower <= 0) & (upper >= 0), tails <= 0.5, tails < 0.25
    a = jnp.where(around, 0.0, jnp.where(lower > 0, lower, -upper))
    start = jnp.where(around & ~half, lower, 0.0)
    length = jnp.minimum(width, jax.lax.stop_gradient(_REACH / (jnp.sqrt(a**2 + _REACH) + a)))
    nodes, weights = (jnp.asarray(of, a.dtype) for of in ((1 + _NODES) / 2, _WEIGHTS / 2))
    d = start[..., None] + jnp.multiply.outer(length, nodes)
    integral = jnp.exp(-a[..., None] * d - d**2 / 2) @ weights
    log_mass = jnp.log(length) + jnp.log(integral) - a**2 / 2 - math.log(2 * math.pi) / 2
    log_mass = jnp.where(half, jnp.log(jnp.where(half, mass, 1.0)), log_mass)
    return jnp.where(nearly_all, jnp.log1p(-jnp.where(nearly_all, tails, 0.0)), log_mass)


def discretized_logistic_log_prob(
    x: Float[Array, "*event"],
    mean: Float[Array, "*event"],
    log_scale: Float[Array, "*event"],
    *,
    num_levels: int = 256,
) -> Float[Array, ""]:
    """Log-probability of quantised data under a logistic density integrated over each level's bin.

    p(x) = F(x + h) − F(x − h), F(v) = sigmoid((v − μ) / s), h = 1 / (num_levels − 1);
    the tails are open: F(x − h) = 0 at x = −1 and F(x + h) = 1 at x = 1, so the levels sum to 1.

    Args:
        x: points of the grid −1, −1 + 2h, …, 1, of any shape; float32 or float64.
        mean: μ, of the shape of `x`.
        log_scale: log s, of the shape of `x`.
        num_levels: the number of grid points, at least 2.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an argument is not floating point, or `x` is too coarse to hold the grid (bfloat16, float16).
        ValueError: shapes differ, a NaN, or an `x` off the grid (NaN under `jit`).

    Source: Salimans et al. (2017), equation 2.

    >>> levels = jnp.linspace(-1, 1, 256)
    >>> p = jax.vmap(lambda x: jnp.exp(discretized_logistic_log_prob(x, jnp.array(0.3), jnp.array(-7.0))))
    >>> print(f"{p(levels).sum():.4f}")
    1.0000
    """
    check_same_shape(x=x, mean=mean, log_scale=log_scale)
    on_grid = _check_levels(x, num_levels, mean=mean, log_scale=log_scale)
    half_bin = 1 / (int(num_levels) - 1)
    inverse_scale = jnp.exp(-log_scale)
    upper = (x + half_bin - mean) * inverse_scale
    lower = (x - half_bin - mean) * inverse_scale
    # sigmoid(u) − sigmoid(l) = sigmoid(u) sigmoid(−l) (1 − exp(l − u)): nothing cancels at any scale, because
    # u − l = 2h/s is known without subtraction.
    log_width = jnp.log(-jnp.expm1(-2 * half_bin * inverse_scale))
    below_upper, above_lower = jax.nn.log_sigmoid(upper), jax.nn.log_sigmoid(-lower)
    log_probs = below_upper + above_lower + log_width
    log_probs = jnp.where(x < -1 + half_bin, below_upper, log_probs)
    log_probs = jnp.where(x > 1 - half_bin, above_lower, log_probs)
    return _valid_sum(on_grid, log_probs)


def discretized_logistic_mixture_log_prob(
    x: Float[Array, "*event"],
    logits: Float[Array, "*event k"],
    means: Float[Array, "*event k"],
    log_scales: Float[Array, "*event k"],
    *,
    num_levels: int = 256,
) -> Float[Array, ""]:
    """Log-probability of quantised data, each coordinate under its own mixture of discretised logistics.

    log p(x) = Σ_i log Σ_k softmax(ℓ_i)_k DiscretizedLogistic(x_i; μ_ik, s_ik)

    Args:
        x: points of the grid of `num_levels` levels in [−1, 1], of any shape `[...]`; float32 or float64.
        logits: ℓ, of shape `[..., K]`.
        means: μ, of shape `[..., K]`.
        log_scales: log s, of shape `[..., K]`.
        num_levels: the number of grid points, at least 2.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an argument is not floating point, or `x` is too coarse to hold the grid.
        ValueError: shapes differ, a NaN, or an `x` off the grid (NaN under `jit`).

    Source: Salimans et al. (2017), equations 1 and 2, without the coupling of colour channels.

    >>> zeros = jnp.zeros((1, 3))
    >>> print(f"{discretized_logistic_mixture_log_prob(jnp.ones(1), zeros, zeros, zeros, num_levels=2):.4f}")
    -0.6931
    """
    check_same_shape(logits=logits, means=means, log_scales=log_scales)
    if jnp.ndim(logits) == 0 or jnp.shape(logits)[:-1] != jnp.shape(x):
        raise ValueError(
            f"logits must have the shape of x and one more axis of components: "
            f"x {jnp.shape(x)}, logits {jnp.shape(logits)}"
        )
    _check_levels(x, num_levels, logits=logits, means=means, log_scales=log_scales)
    component = partial(discretized_logistic_log_prob, num_levels=num_levels)
    coordinate = partial(mixture_log_prob, component)
    flat = (jnp.reshape(a, (-1, logits.shape[-1])) for a in (logits, means, log_scales))
    return jnp.sum(jax.vmap(coordinate)(jnp.ravel(x), *flat))


def _check_levels(x: Array, num_levels: int, **params: Array) -> Bool[Array, "*event"]:
    check_count(num_levels=num_levels)
    if num_levels < 2:
        raise ValueError(f"num_levels must be at least 2; got {num_levels}")
    check_full_precision(x=x)  # half precision cannot hold the levels
    check_float(**params)
    check_not_nan(x=x, **params)
    level = (x + 1) * ((int(num_levels) - 1) / 2)
    # Rounding in float32 moves a level by 1e-4 of a step at most (1,000 levels); half a step is off the grid.
    on_grid = (jnp.abs(level - jnp.round(level)) < 1e-2) & (jnp.abs(x) <= 1)
    check_values("x", x, on_grid, f"lie on the grid of {num_levels} levels in [-1, 1]")
    return on_grid
