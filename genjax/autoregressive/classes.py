"""Generative classification: joint, marginal and posterior of one class-conditional model."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_values

__all__ = ["ClassLogProbs", "bayes_rule"]


class ClassLogProbs(NamedTuple):
    """What a class-conditional model says of one example, in nats.

    Args:
        joint: log p(x, y) for each class, `[C]`.
        marginal: log p(x), a scalar.
        posterior: log p(y|x) for each class, `[C]`; its largest entry is the class that Bayes' rule predicts.

    >>> terms = ClassLogProbs(joint=jnp.log(jnp.array([0.1, 0.3])), marginal=jnp.log(0.4), posterior=jnp.zeros(2))
    >>> print(f"{jnp.exp(terms.marginal):.1f}")
    0.4
    """

    joint: Array
    marginal: Array
    posterior: Array


def bayes_rule(
    log_likelihood: Callable[[Array, Array], Array], x: Array, log_prior: Float[Array, " c"]
) -> ClassLogProbs:
    """Bayes' rule for a class-conditional model.

    log p(x, y) = log p(x|y) + log p(y), log p(x) = log Σ_y p(x, y), log p(y|x) = log p(x, y) − log p(x)

    Args:
        log_likelihood: `log_likelihood(x, y) -> scalar`, log p(x|y) in nats for an integer class y in 0..C−1, e.g.
            `lambda x, y: log_prob(lambda x: net(x, y), x)`; any family's exact likelihood will do.
        x: one example.
        log_prior: log p(y), `[C]`; −∞ rules a class out.

    Returns:
        `ClassLogProbs(joint, marginal, posterior)`.

    Raises:
        TypeError: `log_prior` or a log-likelihood is not floating point.
        ValueError: `log_prior` is no vector, its probabilities do not sum to 1, or a NaN (NaN under `jit`).

    Source: Bishop (2006), equations 1.82 and 1.83.

    >>> log_likelihood = lambda x, y: jnp.log(jnp.array([0.2, 0.6]))[y]
    >>> print(jnp.exp(bayes_rule(log_likelihood, jnp.zeros(1), jnp.log(jnp.array([0.5, 0.5]))).posterior))
    [0.25 0.75]
    """
    check_float(log_prior=log_prior)
    if jnp.ndim(log_prior) != 1:
        raise ValueError(f"log_prior must be a vector, one entry per class; got shape {jnp.shape(log_prior)}")
    check_not_nan(log_prior=log_prior)
    total = jnp.sum(jnp.exp(log_prior))
    normalised = jnp.abs(total - 1) <= float(jnp.finfo(log_prior.dtype).eps) ** 0.5
    check_values("the sum of exp(log_prior)", total, normalised, "be 1")
    log_likelihoods = jax.vmap(lambda y: log_likelihood(x, y))(jnp.arange(log_prior.shape[0]))
    check_float(**{"log_likelihood(x, y)": log_likelihoods})
    joint = jnp.where(normalised, log_likelihoods + log_prior, jnp.nan)
    marginal = jax.nn.logsumexp(joint)
    return ClassLogProbs(joint, marginal, joint - marginal)
