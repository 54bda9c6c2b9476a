"""Normal, Bernoulli and categorical log-densities, and mixtures of any family."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from genjax._checks import (
    check_float,
    check_integer,
    check_not_nan,
    check_same_shape,
    check_values,
)


def normal_log_prob(
    x: Float[Array, "*event"], mean: Float[Array, "*event"], log_var: Float[Array, "*scale"]
) -> Float[Array, ""]:
    """Log-density of a diagonal Gaussian.

    log N(x; μ, σ²) = −½ Σ_i [log 2π + log σ_i² + (x_i − μ_i)² / σ_i²]

    Args:
        x: the event, of any shape.
        mean: μ, of the shape of `x`.
        log_var: log σ², of the shape of `x`, or a scalar that all coordinates share (a learned noise level,
            whose maximum-likelihood value is the log of the mean squared error).

    Returns:
        Nats, summed over the event; the normalising constant is included.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Kingma and Welling (2014), appendix C.2.

    >>> print(f"{normal_log_prob(jnp.zeros(2), jnp.zeros(2), jnp.zeros(2)):.4f}")
    -1.8379
    """
    check_float(x=x, mean=mean, log_var=log_var)
    check_same_shape(x=x, mean=mean)
    if jnp.shape(log_var) != ():
        check_same_shape(x=x, log_var=log_var)
    check_not_nan(x=x, mean=mean, log_var=log_var)
    # Scaled before it is squared, so that float32 reaches log-variances of ±60.
    standardized = (x - mean) * jnp.exp(-log_var / 2)
    return -0.5 * jnp.sum(standardized**2 + log_var + math.log(2 * math.pi))


def standard_normal_log_prob(x: Float[Array, "*event"]) -> Float[Array, ""]:
    """Log-density of N(0, I).

    log N(x; 0, I) = −½ Σ_i [log 2π + x_i²]

    Args:
        x: the event, of any shape.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: a NaN.

    Source: the prior of Kingma and Welling (2014), section 3.

    >>> print(f"{standard_normal_log_prob(jnp.zeros(2)):.4f}")
    -1.8379
    """
    check_float(x=x)
    check_not_nan(x=x)
    return -0.5 * jnp.sum(x**2 + math.log(2 * math.pi))


def bernoulli_log_prob(x: Array, logits: Float[Array, "*event"]) -> Float[Array, ""]:
    """Log-probability of binary data.

    log p(x) = Σ_i log sigmoid(ℓ_i) where x_i = 1, and Σ_i log sigmoid(−ℓ_i) where x_i = 0

    Grey pixels are refused: the cross-entropy on them is not a normalised density. Binarise them, or use
    `continuous_bernoulli_log_prob`.

    Args:
        x: zeros and ones (any dtype), of any shape.
        logits: ℓ = log p/(1 − p), of the shape of `x`.

    Returns:
        Nats, summed over the event. It is exact at both ends: log p = 0 at (1, ℓ → ∞).

    Raises:
        TypeError: `logits` is not floating point.
        ValueError: shapes differ, a NaN, or an `x` that is neither 0 nor 1 (NaN under `jit`).

    Source: Kingma and Welling (2014), appendix C.1.

    >>> print(f"{bernoulli_log_prob(jnp.array([1, 0]), jnp.array([0.0, 0.0])):.4f}")
    -1.3863
    """
    check_float(logits=logits)
    check_same_shape(x=x, logits=logits)
    check_not_nan(logits=logits)
    x = jnp.asarray(x)
    binary = (x == 0) | (x == 1)
    check_values("x", x, binary, "be 0 or 1")
    return _valid_sum(binary, jax.nn.log_sigmoid(jnp.where(x == 1, logits, -logits)))


def continuous_bernoulli_log_prob(
    x: Float[Array, "*event"], logits: Float[Array, "*event"]
) -> Float[Array, ""]:
    """Log-density of the continuous Bernoulli on [0, 1]: the cross-entropy with its missing constant.

    log p(x) = Σ_i [ℓ_i x_i − softplus(ℓ_i) + log C(ℓ_i)], C(ℓ) = ℓ / tanh(ℓ/2), C(0) = 2

    Args:
        x: values in [0, 1], of any shape.
        logits: ℓ, of the shape of `x`.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, a NaN, or an `x` outside [0, 1] (NaN under `jit`).

    Source: Loaiza-Ganem and Cunningham (2019), section 3.

    >>> print(f"{continuous_bernoulli_log_prob(jnp.array([1.0]), jnp.array([2.0])):.4f}")
    0.8386
    """
    check_float(x=x, logits=logits)
    check_same_shape(x=x, logits=logits)
    check_not_nan(x=x, logits=logits)
    inside = (x >= 0) & (x <= 1)
    check_values("x", x, inside, "lie in [0, 1]")
    # The constant combines to log p = (x − ½) ℓ − log(sinh(u) / u), u = ℓ/2: near 0 by the series of the quotient
    # less 1, whose terms are all positive, and away from it by a form that measures x from the nearer end.
    small = jnp.abs(logits) < 2
    u2 = jnp.where(small, logits / 2, 0.0) ** 2
    excess = jnp.ones_like(u2)
    for n in range(9, 1, -1):  # u²/3! (1 + u²/(4·5) (1 + u²/(6·7) (1 + …))), in full in float64
        excess = 1 + u2 / (2 * n * (2 * n + 1)) * excess
    near = (x - 0.5) * logits - jnp.log1p(u2 / 6 * excess)
    a = jnp.abs(jnp.where(small, 2.0, logits))
    distance = jnp.where(logits > 0, 1 - x, x)
    far = jnp.log(a) - a * distance - jnp.log(-jnp.expm1(-a))
    return _valid_sum(inside, jnp.where(small, near, far))


def categorical_log_prob(x: Integer[Array, "*event"], logits: Float[Array, "*event k"]) -> Float[Array, ""]:
    """Log-probability of class labels.

    log p(x) = Σ_i [ℓ_{i, x_i} − log Σ_k exp ℓ_{i, k}] = −Σ_i log(1 + Σ_{k ≠ x_i} exp(ℓ_{i, k} − ℓ_{i, x_i}))

    Args:
        x: integers in 0..K−1, of any shape `[...]`.
        logits: ℓ, of shape `[..., K]`; −∞ rules a class out.

    Returns:
        Nats, summed over the event. It is exact at both ends: log p = −exp(−ℓ) at (0, [ℓ → ∞, 0]).

    Raises:
        TypeError: `x` is not integer or `logits` is not floating point.
        ValueError: shapes differ, a NaN, or a label outside 0..K−1 (NaN under `jit`).

    >>> print(f"{categorical_log_prob(jnp.array(2), jnp.zeros(4)):.4f}")
    -1.3863
    """
    check_integer(x=x)
    check_float(logits=logits)
    if jnp.shape(logits)[:-1] != jnp.shape(x) or jnp.ndim(logits) == 0:
        raise ValueError(
            f"logits must have the shape of x and one more axis of classes: "
            f"x {jnp.shape(x)}, logits {jnp.shape(logits)}"
        )
    check_not_nan(logits=logits)
    x = x.astype(int)  # as bytes, 256 would wrap to 0 in the comparison
    inside = (x >= 0) & (x < logits.shape[-1])
    check_values("x", x, inside, f"lie in 0..{logits.shape[-1] - 1}")
    chosen = jnp.take_along_axis(logits, jnp.where(inside, x, 0)[..., None], axis=-1)[..., 0]
    # The odds against x, from the other classes alone: 1 + them rounds a sure classifier's loss to nothing.
    others = jnp.where(jax.nn.one_hot(x, logits.shape[-1], dtype=bool), -jnp.inf, logits)
    highest = jax.lax.stop_gradient(jnp.max(others, axis=-1))
    none = highest == -jnp.inf
    highest = jnp.where(none, 0.0, highest)
    total = jnp.sum(jnp.exp(others - highest[..., None]), axis=-1)
    log_total = jnp.where(none, -jnp.inf, jnp.log(jnp.where(none, 1.0, total)))
    return _valid_sum(inside, jax.nn.log_sigmoid((chosen - highest) - log_total))


def mixture_log_prob(
    log_prob: Callable[..., Float[Array, ""]],
    x: Array,
    logits: Float[Array, " k"],
    *params: Array,
) -> Float[Array, ""]:
    """Log-density of a mixture whose components share one family.

    log p(x) = log Σ_k softmax(ℓ)_k p(x; θ_k)

    Args:
        log_prob: `log_prob(x, *θ) -> scalar`, the family.
        x: one event.
        logits: ℓ, of shape `[K]`; −∞ rules a component out.
        *params: the arrays of θ, each with a leading axis of length K.

    Returns:
        Nats.

    Raises:
        TypeError: `logits` is not floating point.
        ValueError: `logits` is not a vector, a leading axis is not K, or a NaN among the logits.

    Source: Bishop (2006), equation 2.188.

    >>> means, log_vars = jnp.array([[-1.0], [1.0]]), jnp.zeros((2, 1))
    >>> print(f"{mixture_log_prob(normal_log_prob, jnp.zeros(1), jnp.zeros(2), means, log_vars):.4f}")
    -1.4189
    """
    check_float(logits=logits)
    if jnp.ndim(logits) != 1 or any(jnp.shape(p)[:1] != jnp.shape(logits) for p in params):
        raise ValueError(
            f"logits must be a vector [K] and every parameter [K, ...]: logits {jnp.shape(logits)}, "
            f"parameters {', '.join(str(jnp.shape(p)) for p in params) or 'none'}"
        )
    check_not_nan(logits=logits)
    log_probs = jax.vmap(partial(log_prob, x))(*params)
    return jax.nn.logsumexp(jax.nn.log_softmax(logits) + log_probs)


def _valid_sum(valid: Bool[Array, "*event"], log_probs: Float[Array, "*event"]) -> Float[Array, ""]:
    """The sum over the event, NaN where the value rule cannot raise."""
    return jnp.sum(jnp.where(valid, log_probs, jnp.nan))
