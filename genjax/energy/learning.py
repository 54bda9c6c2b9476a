"""Objectives that learn an energy without its partition function."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_same_shape, check_scalar
from genjax.energy._energies import EnergyFn, energy_of, valid_energies

__all__ = ["contrastive_divergence", "noise_contrastive_estimation"]


def contrastive_divergence(energy_fn: EnergyFn, x_data: Array, x_model: Array) -> Float[Array, ""]:
    """The difference of energies whose gradient is that of −log p(x), where `x_model` follows the model.

    loss = E(x_data) − E(stop_gradient(x_model)); ∇_θ E_{x_model ~ p}[loss] = −∇_θ log p(x_data)

    With samples of k steps of a chain from the data it is contrastive divergence (CD-k), with chains that persist
    between updates persistent contrastive divergence: both are biased as far as the samples are not the model's.
    The value is no likelihood, and may have either sign.

    Args:
        energy_fn: `energy_fn(x) -> scalar`, in nats.
        x_data: one example.
        x_model: one sample of the model, of the shape of `x_data`; no gradient passes through it.

    Returns:
        Nats.

    Raises:
        TypeError: the energy is not floating point.
        ValueError: shapes differ, the energy is not a scalar, or is NaN or −∞ (NaN under `jit`).

    Source: Hinton (2002), equation 5; persistent chains: Tieleman (2008).

    >>> print(contrastive_divergence(lambda x: jnp.sum(x**2), jnp.ones(2), jnp.zeros(2)))
    2.0
    """
    check_same_shape(x_data=x_data, x_model=x_model)
    x_model = jax.lax.stop_gradient(x_model)
    return valid_energies(energy_of(energy_fn, x_data)) - valid_energies(energy_of(energy_fn, x_model))


def noise_contrastive_estimation(
    energy_fn: EnergyFn,
    noise_log_prob: Callable[[Array], Array],
    log_z: Float[Array, ""],
    x_data: Array,
    x_noise: Array,
) -> Float[Array, ""]:
    """Logistic discrimination of one example from ν draws of noise: it learns log Z as a parameter.

    loss = −log sigmoid(G(x)) − Σ_{j=1..ν} log sigmoid(−G(y_j)), G(u) = −E(u) − log Z − log p_n(u) − log ν

    The expected loss is least where exp(−E)/Z is the density of the data, and there log Z is the true one.

    Args:
        energy_fn: `energy_fn(x) -> scalar`, in nats.
        noise_log_prob: `noise_log_prob(x) -> scalar`, log p_n, in nats: positive wherever the data are.
        log_z: log Z, a scalar learned with the energy.
        x_data: one example x.
        x_noise: draws y_j of the noise, `[ν, ...]`.

    Returns:
        Nats, summed over the ν + 1 points.

    Raises:
        TypeError: the energy, `noise_log_prob(x)` or `log_z` is not floating point.
        ValueError: `x_noise` is not a batch of the shape of `x_data`, an output is not a scalar, or an energy is
            NaN or −∞ (NaN under `jit`).

    Source: Gutmann and Hyvärinen (2012), section 2.2, scaled by the number of data.

    >>> from genjax.densities import standard_normal_log_prob
    >>> energy = lambda x: jnp.sum(x**2) / 2
    >>> log_z = jnp.log(2 * jnp.pi) / 2               # the model is the noise: every posterior is 1/2
    >>> x = jnp.array([0.5])
    >>> print(f"{noise_contrastive_estimation(energy, standard_normal_log_prob, log_z, x, x[None]):.4f}")
    1.3863
    """
    if jnp.ndim(x_noise) == 0 or x_noise.shape[0] == 0 or x_noise.shape[1:] != x_data.shape:
        raise ValueError(
            f"x_noise must be [n, ...] with at least one row of the shape of x_data: x_noise "
            f"{jnp.shape(x_noise)}, x_data {jnp.shape(x_data)}"
        )
    check_scalar("log_z", log_z)
    check_float(log_z=log_z)
    num_noise = x_noise.shape[0]

    def log_odds(x: Array) -> Array:
        log_p_noise = noise_log_prob(x)
        check_scalar("noise_log_prob(x)", log_p_noise)
        check_float(**{"noise_log_prob(x)": log_p_noise})
        return -valid_energies(energy_of(energy_fn, x)) - log_z - log_p_noise - math.log(num_noise)

    of_noise = jax.vmap(log_odds)(x_noise)
    return -jax.nn.log_sigmoid(log_odds(x_data)) - jnp.sum(jax.nn.log_sigmoid(-of_noise))
