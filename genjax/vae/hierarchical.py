"""Latents in layers: q(z_1|x) q(z_2|z_1) …, p(x|z_1) p(z_1|z_2) … p(z_L)."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_float, check_key, check_scalar
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.vae.elbo import Encode, LogLikelihood, check_example, log_prob_of_draw, reparameterize

__all__ = ["HierarchicalTerms", "hierarchical_elbo", "hierarchical_elbo_terms"]


class HierarchicalTerms(NamedTuple):
    """Terms of a layered ELBO, in nats, from one draw.

    Args:
        log_likelihood: log p(x|z_1).
        kl: one estimate per layer, log q(z_l|z_{l−1}) − log p(z_l|z_{l+1}), from the data upwards.

    >>> print(HierarchicalTerms(jnp.array(-2.0), kl=(jnp.array(0.5), jnp.array(0.25))).elbo)
    -2.75
    """

    log_likelihood: Array
    kl: tuple[Array, ...]

    @property
    def elbo(self) -> Array:
        """The draw's log weight, log p(x, z) − log q(z|x)."""
        return self.log_likelihood - sum(self.kl)


def hierarchical_elbo_terms(
    encoders: Sequence[Encode],
    decoders: Sequence[Encode],
    log_likelihood: LogLikelihood,
    x: Array,
    noise: Sequence[Float[Array, "..."]],
) -> HierarchicalTerms:
    """Terms of the ELBO of a layered model at one draw: a lower bound on log p(x) in expectation.

    ELBO = E[log p(x|z_1) − Σ_l (log q(z_l|z_{l−1}) − log p(z_l|z_{l+1}))], z_0 = x, p(z_L) = N(0, I)

    `.elbo` is the log weight of the draw, so `log_mean_weight` over it is the importance-weighted bound.

    Args:
        encoders: L callables, `encoders[l](z_l) -> (mean, log_var)` of z_{l+1}; the first takes x.
        decoders: L − 1 callables, `decoders[l](z_{l+2}) -> (mean, log_var)` of z_{l+1}.
        log_likelihood: `log_likelihood(x, z_1) -> scalar`, in nats.
        x: one example.
        noise: L arrays ε_l ~ N(0, I), each of its layer's shape.

    Returns:
        `HierarchicalTerms(log_likelihood, kl)`, in nats.

    Raises:
        TypeError: a layer or noise is not floating point.
        ValueError: numbers of layers do not fit, shapes differ, the likelihood is not a scalar, or a NaN.

    Source: Burda et al. (2016), equations 1, 6 and 8; Sønderby et al. (2016), equation 8.

    >>> unit = lambda z: (z, jnp.zeros_like(z))
    >>> log_likelihood = lambda x, z: normal_log_prob(x, z, jnp.zeros_like(x))
    >>> terms = hierarchical_elbo_terms([unit, unit], [unit], log_likelihood, jnp.ones(1), [jnp.zeros(1)] * 2)
    >>> print(f"{terms.elbo:.4f}")
    -1.4189
    """
    if not (len(encoders) == len(noise) == len(decoders) + 1):
        raise ValueError(
            f"L encoders need L noises and L - 1 decoders; got {len(encoders)} encoders, "
            f"{len(noise)} noises and {len(decoders)} decoders"
        )
    check_example(x)
    log_q, z = [], [x]
    for encode, noise_l in zip(encoders, noise, strict=True):
        mean, log_var = encode(z[-1])
        z.append(reparameterize(mean, log_var, noise_l))
        log_q.append(log_prob_of_draw(z[-1], mean, log_var, noise_l))
    z = z[1:]
    log_p = [
        normal_log_prob(below, *decode(above))
        for below, above, decode in zip(z[:-1], z[1:], decoders, strict=True)
    ]
    log_p.append(standard_normal_log_prob(z[-1]))
    log_p_x = log_likelihood(x, z[0])
    check_scalar("log_likelihood(x, z)", log_p_x)
    return HierarchicalTerms(log_p_x, tuple(q - p for q, p in zip(log_q, log_p, strict=True)))


def hierarchical_elbo(
    key: PRNGKeyArray,
    encoders: Sequence[Encode],
    decoders: Sequence[Encode],
    log_likelihood: LogLikelihood,
    x: Array,
) -> HierarchicalTerms:
    """Draw the noise of `hierarchical_elbo_terms`: a lower bound on log p(x) in expectation over the key.

    The loss is `-hierarchical_elbo(…).elbo`.

    Args:
        key: one key.
        encoders: L callables, as in `hierarchical_elbo_terms`.
        decoders: L − 1 callables, as there.
        log_likelihood: `log_likelihood(x, z_1) -> scalar`, in nats.
        x: one example.

    Returns:
        `HierarchicalTerms(log_likelihood, kl)`, in nats.

    Raises:
        TypeError: the key is not typed, or a dtype is not floating point.
        ValueError: numbers of layers do not fit, shapes differ, or a NaN.

    Source: Burda et al. (2016), equation 8.

    >>> unit = lambda z: (z, jnp.zeros_like(z))
    >>> log_likelihood = lambda x, z: normal_log_prob(x, z, jnp.zeros_like(x))
    >>> print(hierarchical_elbo(jax.random.key(0), [unit], [], log_likelihood, jnp.ones(3)).elbo.shape)
    ()
    """
    check_key(key)
    noise, layer = [], x
    for key_l, encode in zip(jax.random.split(key, len(encoders)), encoders, strict=True):
        layer, _ = jax.eval_shape(encode, layer)
        check_float(mean=layer)
        noise.append(jax.random.normal(key_l, layer.shape, layer.dtype))
    return hierarchical_elbo_terms(encoders, decoders, log_likelihood, x, noise)
