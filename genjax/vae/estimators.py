"""Gradient estimators of the importance-weighted bound.

Each function returns the same number, the bound

    log 1/K Σ_k w_k,  w_k = p(x, z_k) / q(z_k|x),  z_k = μ + σ ε_k,

and differs from the others in the gradient that `jax.grad` takes of it. The gradient of the model's parameters
is the same for all; they differ in that of the encoder's.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float

from genjax.vae.elbo import log_prob_of_draw, reparameterize

__all__ = ["doubly_reparameterized", "pathwise", "score_function", "sticking_the_landing"]

LogJoint = Callable[[Array], Array]


def pathwise(
    log_joint: LogJoint,
    mean: Float[Array, "*latent"],
    log_var: Float[Array, "*latent"],
    noise: Float[Array, "k *latent"],
) -> Float[Array, ""]:
    """Importance-weighted bound with the plain reparameterized gradient.

    ∇ = Σ_k w̃_k ∇ log w_k, w̃ = w / Σ w, through z_k and through q's parameters; unbiased. Its signal-to-noise
    ratio for the encoder falls as 1/√K.

    Args:
        log_joint: `log_joint(z) -> scalar`, log p(x, z).
        mean: μ of q(z|x), of the latent's shape.
        log_var: log σ² of q(z|x), of the same shape.
        noise: ε, `[K, *latent]`.

    Returns:
        Nats, a lower bound on log p(x) in expectation.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Burda et al. (2016), equations 13 and 14; Rainforth et al. (2018) for the ratio.

    >>> log_joint = lambda z: -jnp.sum(z**2)
    >>> print(f"{pathwise(log_joint, jnp.zeros(1), jnp.zeros(1), jnp.ones((1, 1))):.4f}")
    0.4189
    """
    z = _draws(mean, log_var, noise)
    return _log_mean_exp(_log_weights(log_joint, z, mean, log_var, noise))


def score_function(
    log_joint: LogJoint,
    mean: Float[Array, "*latent"],
    log_var: Float[Array, "*latent"],
    noise: Float[Array, "k *latent"],
) -> Float[Array, ""]:
    """Importance-weighted bound with the score-function gradient: nothing flows through the draws.

    ∇ = Σ_k w̃_k ∇ log w_k |_{z fixed} + L Σ_k ∇ log q(z_k|x), L the bound; unbiased and of high variance.

    Args:
        log_joint: `log_joint(z) -> scalar`, log p(x, z); it need not be differentiable in z.
        mean: μ of q(z|x), of the latent's shape.
        log_var: log σ² of q(z|x), of the same shape.
        noise: ε, `[K, *latent]`.

    Returns:
        Nats, a lower bound on log p(x) in expectation.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Mnih and Rezende (2016), equation 5, without a baseline.

    >>> log_joint = lambda z: -jnp.sum(z**2)
    >>> print(f"{score_function(log_joint, jnp.zeros(1), jnp.zeros(1), jnp.ones((1, 1))):.4f}")
    0.4189
    """
    z = stop_gradient(_draws(mean, log_var, noise))
    bound = _log_mean_exp(_log_weights(log_joint, z, mean, log_var, noise))
    log_q = jnp.sum(jax.vmap(lambda z_k, e: log_prob_of_draw(z_k, mean, log_var, e))(z, noise))
    return bound + stop_gradient(bound) * (log_q - stop_gradient(log_q))


def sticking_the_landing(
    log_joint: LogJoint,
    mean: Float[Array, "*latent"],
    log_var: Float[Array, "*latent"],
    noise: Float[Array, "k *latent"],
) -> Float[Array, ""]:
    """Importance-weighted bound with the gradient through the draws alone; zero where q is the posterior.

    ∇_φ = Σ_k w̃_k ∂log w_k/∂z_k ∇_φ z_k. Unbiased at K = 1 (the ELBO); biased for K > 1, where
    `doubly_reparameterized` is right.

    Args:
        log_joint: `log_joint(z) -> scalar`, log p(x, z).
        mean: μ of q(z|x), of the latent's shape.
        log_var: log σ² of q(z|x), of the same shape.
        noise: ε, `[K, *latent]`.

    Returns:
        Nats, a lower bound on log p(x) in expectation.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Roeder et al. (2017), section 4; the bias: Tucker et al. (2019), section 5.

    >>> log_joint = lambda z: -jnp.sum(z**2)
    >>> print(f"{sticking_the_landing(log_joint, jnp.zeros(1), jnp.zeros(1), jnp.ones((1, 1))):.4f}")
    0.4189
    """
    z = _draws(mean, log_var, noise)
    frozen = stop_gradient((mean, log_var))
    return _log_mean_exp(_log_weights(log_joint, z, *frozen, noise))


def doubly_reparameterized(
    log_joint: LogJoint,
    mean: Float[Array, "*latent"],
    log_var: Float[Array, "*latent"],
    noise: Float[Array, "k *latent"],
) -> Float[Array, ""]:
    """Importance-weighted bound with the doubly reparameterized gradient; zero where q is the posterior.

    ∇_φ = Σ_k w̃_k² ∂log w_k/∂z_k ∇_φ z_k; unbiased for every K, and its signal-to-noise ratio grows with K.
    The weights are evaluated twice, once without a gradient.

    Args:
        log_joint: `log_joint(z) -> scalar`, log p(x, z).
        mean: μ of q(z|x), of the latent's shape.
        log_var: log σ² of q(z|x), of the same shape.
        noise: ε, `[K, *latent]`.

    Returns:
        Nats, a lower bound on log p(x) in expectation.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Tucker et al. (2019), equation 8.

    >>> log_joint = lambda z: -jnp.sum(z**2)
    >>> print(f"{doubly_reparameterized(log_joint, jnp.zeros(1), jnp.zeros(1), jnp.ones((1, 1))):.4f}")
    0.4189
    """
    z = _draws(mean, log_var, noise)
    fixed = stop_gradient(z)
    frozen = stop_gradient((mean, log_var))
    weights = stop_gradient(jax.nn.softmax(_log_weights(log_joint, fixed, *frozen, noise)))
    # log_mean_exp weighs the gradient by w̃ once; the path through z takes it a second time. The value is z.
    weights = jnp.reshape(weights, (-1,) + (1,) * mean.ndim)
    z = fixed + weights * (z - fixed)
    return _log_mean_exp(_log_weights(log_joint, z, *frozen, noise))


def _draws(mean: Array, log_var: Array, noise: Array) -> Array:
    return jax.vmap(partial(reparameterize, mean, log_var))(noise)


def _log_weights(log_joint: LogJoint, z: Array, mean: Array, log_var: Array, noise: Array) -> Array:
    log_weight = lambda z_k, e: log_joint(z_k) - log_prob_of_draw(z_k, mean, log_var, e)
    return jax.vmap(log_weight)(z, noise)


def _log_mean_exp(log_weights: Array) -> Array:
    return jax.nn.logsumexp(log_weights) - math.log(log_weights.shape[0])
