"""Metrics of what a classifier says of samples: their probabilities, or the modes they belong to."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from genjax._checks import check_float, check_integer, check_not_nan, check_values
from genjax.divergences import kl_categorical

__all__ = ["inception_score", "mode_divergence"]


def inception_score(probs: Float[Array, "n k"]) -> Float[Array, ""]:
    """How sure a classifier is of each sample, and how evenly it uses its classes over all of them.

    exp(1/n Σ_i KL(p_i ‖ p̄)), p̄ = 1/n Σ_i p_i; from 1 to K

    One number of the whole set: averages over splits depend on the order of the samples. It knows no data, and
    calls a set of one perfect image per class perfect.

    Args:
        probs: p, `[n, K]`, each row summing to 1.

    Returns:
        The score.

    Raises:
        TypeError: `probs` is not floating point.
        ValueError: not `[n, K]`, no rows, a NaN, a negative entry, or a sum other than 1 (NaN under `jit`).

    Source: Salimans et al. (2016), section 4.

    >>> print(f"{inception_score(jnp.eye(3)):.4f}")
    3.0000
    """
    check_float(probs=probs)
    if jnp.ndim(probs) != 2 or 0 in jnp.shape(probs):
        raise ValueError(
            f"probs must be [n, K] with at least one row and one class; got shape {jnp.shape(probs)}"
        )
    check_not_nan(probs=probs)
    check_values("probs", probs, probs >= 0, "not be negative")
    mean = jnp.mean(probs, axis=0)
    return jnp.exp(jnp.mean(jax.vmap(lambda p: kl_categorical(p, mean))(probs)))


def mode_divergence(modes: Integer[Array, " n"], weights: Float[Array, " m"]) -> Float[Array, ""]:
    """The divergence of the modes that samples belong to from the true ones: lost and favoured modes alike.

    KL(q ‖ w) = Σ_k q_k log(q_k / w_k), q_k the share of samples in mode k

    Modes of points are `nearest(samples, centers).indices`; modes of images are the classes that a classifier gives
    them. Above 0 for samples of the true law too, by about (m − 1)/(2n).

    Args:
        modes: of each sample, in 0..m−1.
        weights: w, the true shares, positive where samples are and summing to 1.

    Returns:
        Nats; +∞ where a sample is in a mode of weight zero.

    Raises:
        TypeError: `modes` is not integer, or `weights` is not floating point.
        ValueError: not `[n]` and `[m]`, no samples, a mode out of range, a NaN, a negative weight, or a sum other
            than 1 (NaN under `jit`).

    Source: Lin et al. (2018), section 4.1.

    >>> print(f"{mode_divergence(jnp.array([0, 0]), jnp.array([0.5, 0.5])):.4f}")
    0.6931
    """
    check_integer(modes=modes)
    check_float(weights=weights)
    if jnp.ndim(modes) != 1 or jnp.ndim(weights) != 1 or 0 in (len(modes), len(weights)):
        raise ValueError(
            f"modes must be [n] and weights [m], not empty; got modes {jnp.shape(modes)}, "
            f"weights {jnp.shape(weights)}"
        )
    inside = (modes >= 0) & (modes < len(weights))
    check_values("modes", modes, inside, f"lie in 0..{len(weights) - 1}")
    counts = jnp.zeros(len(weights), jnp.int32).at[modes].add(1)
    shares = counts.astype(weights.dtype) / len(modes)
    return jnp.where(jnp.all(inside), kl_categorical(shares, weights), jnp.nan)
