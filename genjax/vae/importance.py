"""Importance-weighted bounds and estimates of the evidence."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_float, check_key, check_scalar
from genjax._log_sum import LogSum
from genjax.densities import standard_normal_log_prob
from genjax.vae.elbo import (
    Encode,
    LogLikelihood,
    LogPrior,
    check_example,
    log_prob_of_draw,
    reparameterize,
    sample_noise,
)
from genjax.vae.estimators import pathwise

__all__ = ["importance_weighted_elbo", "log_evidence", "log_mean_weight"]


def importance_weighted_elbo(
    key: PRNGKeyArray,
    encode: Encode,
    log_likelihood: LogLikelihood,
    x: Array,
    *,
    num_samples: int,
    log_prior: LogPrior = standard_normal_log_prob,
    estimator: Callable[..., Float[Array, ""]] = pathwise,
) -> Float[Array, ""]:
    """The importance-weighted bound: a lower bound on log p(x) in expectation, tighter as K grows.

    L_K = log 1/K Σ_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x); L_1 is the ELBO

    Args:
        key: one key; sample k draws its noise from `fold_in(key, k)`.
        encode: `encode(x) -> (mean, log_var)`, both of the latent's shape.
        log_likelihood: `log_likelihood(x, z) -> scalar`, in nats.
        x: one example.
        num_samples: K.
        log_prior: `log_prior(z) -> scalar`; N(0, I) by default.
        estimator: which gradient: `pathwise`, `score_function`, `sticking_the_landing` or `doubly_reparameterized`.

    Returns:
        Nats (a bound to be maximised, not a cost).

    Raises:
        TypeError: the key is not typed, or a dtype is not floating point.
        ValueError: shapes differ, `num_samples` is below 1, or a NaN.

    Source: Burda et al. (2016), equation 8.

    >>> from genjax.densities import normal_log_prob
    >>> encode = lambda x: (0.5 * x, jnp.full_like(x, jnp.log(0.5)))     # the posterior: the bound is exact
    >>> log_likelihood = lambda x, z: normal_log_prob(x, z, jnp.zeros_like(x))
    >>> bound = importance_weighted_elbo(jax.random.key(0), encode, log_likelihood, jnp.ones(2), num_samples=5)
    >>> print(f"{bound:.4f} {normal_log_prob(jnp.ones(2), jnp.zeros(2), jnp.log(2 * jnp.ones(2))):.4f}")
    -3.0310 -3.0310
    """
    check_key(key)
    check_example(x)
    mean, log_var = encode(x)
    noise = sample_noise(key, num_samples, mean)
    return estimator(_log_joint(log_likelihood, log_prior, x), mean, log_var, noise)


def log_evidence(
    key: PRNGKeyArray,
    encode: Encode,
    log_likelihood: LogLikelihood,
    x: Array,
    *,
    num_samples: int = 5000,
    chunk_size: int = 100,
    log_prior: LogPrior = standard_normal_log_prob,
) -> Float[Array, ""]:
    """Estimate of log p(x): `importance_weighted_elbo` with the same draws, in memory of one chunk.

    log p̂(x) = log 1/K Σ_k p(x, z_k) / q(z_k|x); a lower bound on log p(x) in expectation

    Args:
        key: one key; sample k draws its noise from `fold_in(key, k)`, whatever the chunk.
        encode: `encode(x) -> (mean, log_var)`, both of the latent's shape.
        log_likelihood: `log_likelihood(x, z) -> scalar`, in nats.
        x: one example.
        num_samples: K, used exactly.
        chunk_size: samples evaluated at once.
        log_prior: `log_prior(z) -> scalar`; N(0, I) by default.

    Returns:
        Nats. Its reverse-mode gradient holds all samples in memory; train on `importance_weighted_elbo`.

    Raises:
        TypeError: the key is not typed, or a dtype is not floating point.
        ValueError: shapes differ, a count is below 1, or a NaN.

    Source: Burda et al. (2016), equation 8; Rezende et al. (2014), appendix E.

    >>> from genjax.densities import normal_log_prob
    >>> encode = lambda x: (0.5 * x, jnp.full_like(x, jnp.log(0.5)))
    >>> log_likelihood = lambda x, z: normal_log_prob(x, z, jnp.zeros_like(x))
    >>> print(f"{log_evidence(jax.random.key(0), encode, log_likelihood, jnp.ones(2)):.4f}")
    -3.0310
    """
    check_example(x)
    mean, log_var = encode(x)
    log_joint = _log_joint(log_likelihood, log_prior, x)

    def log_weight(key_k: PRNGKeyArray) -> Array:
        noise = jax.random.normal(key_k, mean.shape, mean.dtype)
        z = reparameterize(mean, log_var, noise)
        return log_joint(z) - log_prob_of_draw(z, mean, log_var, noise)

    return log_mean_weight(key, log_weight, num_samples=num_samples, chunk_size=chunk_size)


def log_mean_weight(
    key: PRNGKeyArray,
    log_weight: Callable[[PRNGKeyArray], Float[Array, ""]],
    *,
    num_samples: int,
    chunk_size: int = 100,
) -> Float[Array, ""]:
    """Log of the mean of importance weights, streamed: any sampler's evidence in constant memory.

    log 1/K Σ_k w(key_k), key_k = fold_in(key, k)

    Args:
        key: one key.
        log_weight: `log_weight(key) -> scalar`, log w of one draw, e.g. `hierarchical_elbo(key, …).elbo`.
        num_samples: K, used exactly.
        chunk_size: weights evaluated at once.

    Returns:
        Nats, in the dtype of the weights; half precision is summed in float32. Where every weight is zero −∞, with a
        gradient of zero.

    Raises:
        TypeError: the key is not typed, or a weight is not floating point.
        ValueError: a count is below 1, or a weight is not a scalar.

    >>> print(f"{log_mean_weight(jax.random.key(0), lambda key: jnp.array(2.0), num_samples=7, chunk_size=3):.4f}")
    2.0000
    """
    check_key(key)
    check_count(num_samples=num_samples, chunk_size=chunk_size)
    num_samples, chunk_size = int(num_samples), min(int(chunk_size), int(num_samples))
    dtype = jax.eval_shape(log_weight, key).dtype

    def weight(k: Array) -> Array:
        # The last chunk may be longer than what is left: it repeats the last draw, with weight zero.
        log_w = log_weight(jax.random.fold_in(key, jnp.minimum(k, num_samples - 1)))
        check_scalar("log_weight(key)", log_w)
        check_float(**{"log_weight(key)": log_w})
        return jnp.where(k < num_samples, log_w, -jnp.inf)

    def add_chunk(weights: LogSum, start: Array) -> tuple[LogSum, None]:
        return weights.add(jax.vmap(weight)(start + jnp.arange(chunk_size))), None

    starts = jnp.arange(0, num_samples, chunk_size)
    weights, _ = jax.lax.scan(add_chunk, LogSum.empty(dtype), starts)
    # Divided before the log, so that the mean of equal weights is that weight.
    return LogSum(weights.largest, weights.total / num_samples).log().astype(dtype)


def _log_joint(log_likelihood: LogLikelihood, log_prior: LogPrior, x: Array) -> Callable[[Array], Array]:
    def log_joint(z: Array) -> Array:
        log_p_x, log_p_z = log_likelihood(x, z), log_prior(z)
        check_scalar("log_likelihood(x, z)", log_p_x)
        check_scalar("log_prior(z)", log_p_z)
        return log_p_x + log_p_z

    return log_joint
