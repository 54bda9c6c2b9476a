"""What the latent units do, measured over a data set (these couple examples: they are not integrands)."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from genjax._checks import check_float, check_not_nan, check_same_shape
from genjax.divergences import kl_standard_normal

__all__ = ["active_units", "collapsed_units", "unit_kl"]


def active_units(means: Float[Array, "n d"], *, threshold: float = 0.01) -> Bool[Array, " d"]:
    """Which latent units answer to the data, over a set of examples.

    active_j: Var_x(E_q[z_j|x]) > threshold

    Args:
        means: posterior means, `[n, d]`.
        threshold: squared units of the latent.

    Returns:
        `[d]`, true where active; `.sum()` counts them.

    Raises:
        TypeError: `means` is not floating point.
        ValueError: not `[n, d]`, no rows, or a NaN.

    Source: Burda et al. (2016), section 5.2.

    >>> print(active_units(jnp.array([[1.0, 0.0], [-1.0, 0.0]])))
    [ True False]
    """
    _check_units(means=means)
    return jnp.var(means, axis=0) > threshold


def unit_kl(means: Float[Array, "n d"], log_vars: Float[Array, "n d"]) -> Float[Array, " d"]:
    """Rate of each latent unit, averaged over a set of examples.

    KL_j = 1/n Σ_i KL(q(z_j|x_i) ‖ N(0, 1))

    Args:
        means: posterior means, `[n, d]`.
        log_vars: posterior log-variances, `[n, d]`.

    Returns:
        `[d]`, nats; their sum is the rate.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: not `[n, d]`, shapes differ, no rows, or a NaN.

    Source: Sønderby et al. (2016), figure 4.

    >>> print(unit_kl(jnp.array([[1.0, 0.0]]), jnp.zeros((1, 2))))
    [0.5 0. ]
    """
    return jnp.mean(_kl_table(means, log_vars), axis=0)


def collapsed_units(
    means: Float[Array, "n d"],
    log_vars: Float[Array, "n d"],
    *,
    epsilon: float = 0.01,
    delta: float = 0.01,
) -> Bool[Array, " d"]:
    """Which latent units have collapsed onto the prior, over a set of examples.

    collapsed_j: P_x[KL(q(z_j|x) ‖ N(0, 1)) < ε] ≥ 1 − δ

    Args:
        means: posterior means, `[n, d]`.
        log_vars: posterior log-variances, `[n, d]`.
        epsilon: ε, nats.
        delta: δ, the share of examples that may exceed ε: ⌊δ n⌋ of them, 1 of 100 at δ = 0.01.

    Returns:
        `[d]`, true where collapsed.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: not `[n, d]`, shapes differ, no rows, or a NaN.

    Source: Lucas et al. (2019), definition 1.

    >>> print(collapsed_units(jnp.array([[1.0, 0.0]]), jnp.zeros((1, 2))))
    [False  True]
    """
    exceed = jnp.sum(_kl_table(means, log_vars) >= epsilon, axis=0)
    # A count against a count: the rounding of 1 − δ, or of δ n below a whole number, decides nothing.
    return exceed <= math.floor(delta * means.shape[0] * (1 + 1e-6))


def _kl_table(means: Array, log_vars: Array) -> Float[Array, "n d"]:
    check_same_shape(means=means, log_vars=log_vars)
    _check_units(means=means, log_vars=log_vars)
    return jax.vmap(jax.vmap(kl_standard_normal))(means, log_vars)


def _check_units(**arrays: Array) -> None:
    check_float(**arrays)
    for name, array in arrays.items():
        if jnp.ndim(array) != 2 or jnp.shape(array)[0] == 0:
            raise ValueError(f"{name} must be [n, d] with at least one row; got shape {jnp.shape(array)}")
    check_not_nan(**arrays)
