"""The evidence lower bound."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import (
    check_count,
    check_float,
    check_key,
    check_not_nan,
    check_same_shape,
    check_scalar,
)
from genjax.densities import standard_normal_log_prob
from genjax.divergences import kl_standard_normal

__all__ = ["ElboTerms", "elbo_terms", "negative_elbo", "reparameterize"]

Encode = Callable[[Array], tuple[Array, Array]]
LogLikelihood = Callable[[Array, Array], Array]
LogPrior = Callable[[Array], Array]


class ElboTerms(NamedTuple):
    """The two terms of the ELBO, in nats: ELBO = reconstruction − KL.

    Args:
        log_likelihood: log p(x|z), of one draw or averaged over draws.
        kl: KL(q(z|x) ‖ p(z)), in closed form or its one-draw estimate.

    >>> print(ElboTerms(log_likelihood=jnp.array(-1.25), kl=jnp.array(0.25)).elbo)
    -1.5
    """

    log_likelihood: Array
    kl: Array

    @property
    def elbo(self) -> Array:
        """The lower bound on log p(x)."""
        return self.log_likelihood - self.kl

    @property
    def rate(self) -> Array:
        """Nats the code spends, as rate–distortion theory names the KL."""
        return self.kl

    @property
    def distortion(self) -> Array:
        """Nats the reconstruction lacks, −log p(x|z)."""
        return -self.log_likelihood


def reparameterize(
    mean: Float[Array, "*latent"], log_var: Float[Array, "*latent"], noise: Float[Array, "*latent"]
) -> Float[Array, "*latent"]:
    """Write a Gaussian draw as a function of its parameters.

    z = μ + σ ε, σ = exp(log σ² / 2)

    Args:
        mean: μ, of any shape.
        log_var: log σ², of the shape of `mean`.
        noise: ε ~ N(0, I), of the shape of `mean`.

    Returns:
        z, of the shape of `mean`.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Kingma and Welling (2014), section 2.4.

    >>> print(reparameterize(jnp.array([1.0]), jnp.array([0.0]), jnp.array([0.5])))
    [1.5]
    """
    check_float(mean=mean, log_var=log_var, noise=noise)
    check_same_shape(mean=mean, log_var=log_var, noise=noise)
    check_not_nan(mean=mean, log_var=log_var, noise=noise)
    return mean + jnp.exp(log_var / 2) * noise


def elbo_terms(
    encode: Encode,
    log_likelihood: LogLikelihood,
    x: Array,
    noise: Float[Array, "*latent"],
    *,
    log_prior: LogPrior | None = None,
) -> ElboTerms:
    """Terms of the ELBO at one noise draw: a lower bound on log p(x) in expectation over the noise.

    ELBO = E_ε[log p(x | μ + σ ε)] − KL(q(z|x) ‖ p(z))

    Args:
        encode: `encode(x) -> (mean, log_var)`, both of the latent's shape.
        log_likelihood: `log_likelihood(x, z) -> scalar`, in nats.
        x: one example.
        noise: ε ~ N(0, I), of the latent's shape; Gauss–Hermite nodes make the expectation exact.
        log_prior: `log_prior(z) -> scalar`; the KL is then the estimate log q(z|x) − log p(z) at this draw. By
            default p(z) = N(0, I), in closed form.

    Returns:
        `ElboTerms(log_likelihood, kl)`, in nats; `.elbo` is their difference.

    Raises:
        TypeError: the encoder or the noise is not floating point.
        ValueError: mean, log-variance and noise differ in shape, the likelihood is not a scalar, or a NaN.

    Source: Kingma and Welling (2014), equation 3, estimated as in equation 7 (with `log_prior`: equation 6).

    >>> encode = lambda x: (x, jnp.zeros_like(x))
    >>> log_likelihood = lambda x, z: -0.5 * jnp.sum((x - z)**2)
    >>> print(elbo_terms(encode, log_likelihood, jnp.array([1.0]), jnp.array([2.0])).elbo)
    -2.5
    """
    check_example(x)
    mean, log_var = encode(x)
    z = reparameterize(mean, log_var, noise)
    log_p_x = log_likelihood(x, z)
    check_scalar("log_likelihood(x, z)", log_p_x)
    if log_prior is None:
        kl = kl_standard_normal(mean, log_var)
    else:
        log_p_z = log_prior(z)
        check_scalar("log_prior(z)", log_p_z)
        kl = log_prob_of_draw(z, mean, log_var, noise) - log_p_z
    return ElboTerms(log_p_x, kl)


def negative_elbo(
    key: PRNGKeyArray,
    encode: Encode,
    log_likelihood: LogLikelihood,
    x: Array,
    *,
    beta: float | Float[Array, ""] = 1.0,
    num_samples: int = 1,
    free_bits: float = 0.0,
    log_prior: LogPrior | None = None,
) -> Float[Array, ""]:
    """The VAE's loss, a cost in nats: at β = 1 an upper bound on −log p(x), in expectation over the key.

    loss = −1/K Σ_k log p(x|z_k) + β Σ_j max(KL_j, λ)

    Args:
        key: one key; draws all noise.
        encode: `encode(x) -> (mean, log_var)`, both of the latent's shape.
        log_likelihood: `log_likelihood(x, z) -> scalar`, in nats.
        x: one example.
        beta: β, the weight of the KL (β-VAE); may be traced, for annealing.
        num_samples: K, the draws averaged.
        free_bits: λ, nats each latent coordinate may spend at no cost. The minimum holds for this example; the
            source applies it to the minibatch's mean, which couples examples.
        log_prior: `log_prior(z) -> scalar`; the KL is then estimated by the same draws. N(0, I) by default.

    Returns:
        Nats.

    Raises:
        TypeError: the key is not typed, or a dtype is not floating point.
        ValueError: shapes differ, `num_samples` or `free_bits` is out of range, or a NaN.

    Source: Kingma and Welling (2014), equation 7; β: Higgins et al. (2017), equation 4; free bits: Kingma et al.
    (2016), appendix C.8.

    >>> from genjax.densities import normal_log_prob
    >>> encode = lambda x: (0.5 * x, jnp.zeros_like(x))
    >>> log_likelihood = lambda x, z: normal_log_prob(x, z, jnp.zeros_like(x))
    >>> print(f"{negative_elbo(jax.random.key(0), encode, log_likelihood, jnp.ones(2), num_samples=1000):.2f}")
    3.28
    """
    check_key(key)
    check_example(x)
    check_scalar("beta", beta)
    if free_bits < 0:
        raise ValueError(f"free_bits must not be negative; got {free_bits}")
    if free_bits > 0 and log_prior is not None:
        raise ValueError(
            "free_bits needs the closed-form KL of each coordinate, which log_prior does not have"
        )
    mean, log_var = encode(x)
    noise = sample_noise(key, num_samples, mean)
    draw = partial(elbo_terms, lambda _: (mean, log_var), log_likelihood, x, log_prior=log_prior)
    terms = jax.tree.map(partial(jnp.mean, axis=0), jax.vmap(draw)(noise))
    kl = terms.kl
    if free_bits > 0:
        kl_j = jax.vmap(kl_standard_normal)(jnp.ravel(mean), jnp.ravel(log_var))
        kl = jnp.sum(jnp.maximum(kl_j, free_bits))
    return -terms.log_likelihood + beta * kl


def sample_noise(key: PRNGKeyArray, num_samples: int, like: Array) -> Float[Array, "k *latent"]:
    """Draw ε of sample k from `fold_in(key, k)`, so that a sample does not depend on how many are drawn."""
    check_count(num_samples=num_samples)
    check_float(mean=like)
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(int(num_samples)))
    return jax.vmap(lambda k: jax.random.normal(k, like.shape, like.dtype))(keys)


def log_prob_of_draw(z: Array, mean: Array, log_var: Array, noise: Array) -> Float[Array, ""]:
    """The log-density log q(z|x) at z = μ + σ ε, from ε: z − μ keeps no digit of it where σ is small beside μ."""
    return standard_normal_log_prob(_noise_of(z, mean, log_var, noise)) - jnp.sum(log_var) / 2


@jax.custom_jvp
def _noise_of(z: Array, mean: Array, log_var: Array, noise: Array) -> Array:
    """The noise ε = (z − μ)/σ as a function of z, μ and σ, whose value is known."""
    return noise


@_noise_of.defjvp
def _noise_of_jvp(primals, tangents):
    (_, _, log_var, noise), (dz, dmean, dlog_var, _) = primals, tangents
    return noise, (dz - dmean) * jnp.exp(-log_var / 2) - noise * dlog_var / 2


def check_example(x: Array) -> None:
    """Raise on a NaN in an example of real numbers."""
    if jnp.issubdtype(jnp.result_type(x), jnp.floating):
        check_not_nan(x=x)
