"""What the best discriminator says, and what the game is worth there."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_same_shape, check_values
from genjax.divergences import js_categorical

__all__ = ["optimal_logit", "value_at_optimum"]


def optimal_logit(
    log_p_data: Float[Array, "*points"], log_p_model: Float[Array, "*points"]
) -> Float[Array, "*points"]:
    """The logit of the discriminator that is best against a fixed generator.

    logit D*(x) = log p_data(x) − log p_model(x), that is D* = p_data / (p_data + p_model)

    At each point V is concave in the logit, so this is its one maximum.

    Args:
        log_p_data: log-densities of the data, in nats, of any shape; −∞ where there are none.
        log_p_model: log-densities of the model at the same points.

    Returns:
        Logits, ±∞ where one of the densities is zero.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a point where both are zero or one is NaN (NaN under `jit`).

    Source: Goodfellow et al. (2014), proposition 1.

    >>> print(f"{optimal_logit(jnp.log(0.75), jnp.log(0.25)):.4f}")
    1.0986
    """
    check_float(log_p_data=log_p_data, log_p_model=log_p_model)
    check_same_shape(log_p_data=log_p_data, log_p_model=log_p_model)
    logit = log_p_data - log_p_model
    check_values(
        "log_p_data - log_p_model", logit, ~jnp.isnan(logit), "be a number at a point of either density"
    )
    return logit


def value_at_optimum(p_data: Float[Array, "*k"], p_model: Float[Array, "*k"]) -> Float[Array, ""]:
    """The value of the minimax game on finitely many points, at its best discriminator.

    C = max_D V = −log 4 + 2 JS(p_data, p_model): −log 4, its least, where the two agree, and at most 0

    Args:
        p_data: probabilities of the data, of any shape, summing to 1.
        p_model: probabilities of the model, of the same shape, summing to 1.

    Returns:
        Nats.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, a NaN, a negative entry, or a sum other than 1 (NaN under `jit`).

    Source: Goodfellow et al. (2014), theorem 1.

    >>> half = jnp.array([0.5, 0.5])
    >>> print(f"{value_at_optimum(half, half):.6f} {value_at_optimum(half, jnp.array([1.0, 0.0])):.6f}")
    -1.386294 -0.954771
    """
    return 2 * js_categorical(p_data, p_model) - math.log(4.0)
