"""The preconditioned denoiser of EDM, and its loss."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import (
    check_float,
    check_key,
    check_not_nan,
    check_same_shape,
    check_scalar,
    check_values,
)

__all__ = ["edm_denoiser", "edm_error", "edm_loss"]

Network = Callable[[Array, Any], Array]


def edm_denoiser(network: Network, *, sigma_data: float = 0.5) -> Callable[[Array, Any], Array]:
    """A raw network as a prediction of the data, for `edm()` and Prediction.DATA.

    D(x, σ) = c_skip x + c_out F(c_in x, ln(σ)/4), c_skip = σ_d²/(σ² + σ_d²), c_out = σ σ_d/√(σ² + σ_d²),
    c_in = 1/√(σ² + σ_d²)

    Args:
        network: F, `network(x, c)`, of the shape of x.
        sigma_data: σ_d, the standard deviation of the data, positive.

    Returns:
        `predict(x, sigma)`.

    Raises:
        ValueError: `sigma_data` is not positive; (when called) shapes differ.

    Source: Karras et al. (2022), equation 7 and table 1.

    >>> zero = edm_denoiser(lambda x, c: jnp.zeros_like(x))
    >>> print(zero(jnp.array([2.0]), jnp.array(0.5)).round(4))
    [1.]
    """
    _check_data(sigma_data)

    def predict(x: Array, sigma: Array) -> Array:
        check_float(x=x, sigma=sigma)
        total = jnp.sqrt(sigma**2 + sigma_data**2)
        value = _network(network, x, sigma, total)
        return (sigma_data / total) ** 2 * x + sigma * sigma_data / total * value

    return predict


def edm_error(
    network: Network,
    x0: Float[Array, "*event"],
    sigma: int | float | Float[Array, ""],
    noise: Float[Array, "*event"],
    *,
    sigma_data: float,
) -> Float[Array, ""]:
    """The weighted error of the preconditioned denoiser at one level.

    (σ² + σ_d²)/(σ σ_d)² ‖D(x0 + σ ε, σ) − x0‖² = ‖F(c_in x, ln(σ)/4) − (x0 − c_skip x)/c_out‖²

    Args:
        network: F, `network(x, c)`, of the shape of x.
        x0: clean data, of any shape.
        sigma: σ, the noise level, positive, a scalar.
        noise: ε, a standard normal draw, of the shape of `x0`.
        sigma_data: σ_d, the standard deviation of the data, positive.

    Returns:
        The error, summed over the event; its mean at F = 0 is the event's size where the data have variance σ_d².

    Raises:
        TypeError: an array is not floating point.
        ValueError: shapes differ, a NaN, σ is no positive scalar (NaN under `jit`), or `sigma_data` is not positive.

    Source: Karras et al. (2022), equation 8.

    >>> zero = lambda x, c: jnp.zeros_like(x)
    >>> print(f"{edm_error(zero, jnp.array([0.5]), 0.5, jnp.array([1.0]), sigma_data=0.5):.4f}")
    0.0000
    """
    _check_data(sigma_data)
    check_float(x0=x0, noise=noise, sigma=sigma)
    check_same_shape(x0=x0, noise=noise)
    check_not_nan(x0=x0, noise=noise)
    check_scalar("sigma", sigma)
    sigma = jnp.asarray(sigma, x0.dtype)
    check_values("sigma", sigma, sigma > 0, "be positive")
    sigma = jnp.where(sigma > 0, sigma, jnp.nan)
    x, total = x0 + sigma * noise, jnp.sqrt(sigma**2 + sigma_data**2)
    # (x0 − c_skip x)/c_out = (σ x0 − σ_d² ε)/(σ_d total), in which nothing cancels at small σ.
    target = (sigma * x0 - sigma_data**2 * noise) / (sigma_data * total)
    return jnp.sum((_network(network, x, sigma, total) - target) ** 2)


def edm_loss(
    key: PRNGKeyArray,
    network: Network,
    x0: Float[Array, "*event"],
    *,
    sigma_data: float = 0.5,
    log_sigma_mean: float = -1.2,
    log_sigma_std: float = 1.2,
) -> Float[Array, ""]:
    """The training loss of EDM, of one level and one draw of noise.

    E_{σ, ε} of `edm_error`, ln σ ~ N(log_sigma_mean, log_sigma_std²)

    Args:
        key: of the level and the noise.
        network: F, `network(x, c)`, of the shape of x.
        x0: clean data, of any shape.
        sigma_data: σ_d, the standard deviation of the data, positive.
        log_sigma_mean: of ln σ.
        log_sigma_std: of ln σ.

    Returns:
        One term of the expectation, summed over the event.

    Raises:
        TypeError: the key is not typed, or an array is not floating point.
        ValueError: shapes differ, a NaN, or `sigma_data` is not positive.

    Source: Karras et al. (2022), equation 8 and table 1.

    >>> edm_loss(jax.random.key(0), lambda x, c: x, jnp.ones(3)).shape
    ()
    """
    check_key(key)
    check_float(x0=x0)
    key_level, key_noise = jax.random.split(key)
    dtype = jnp.result_type(x0)
    sigma = jnp.exp(log_sigma_mean + log_sigma_std * jax.random.normal(key_level, (), dtype))
    noise = jax.random.normal(key_noise, jnp.shape(x0), dtype)
    return edm_error(network, x0, sigma, noise, sigma_data=sigma_data)


def _network(network: Network, x: Array, sigma: Array, total: Array) -> Array:
    value = network(x / total, jnp.log(sigma) / 4)
    check_same_shape(x=x, **{"network(x, c)": value})
    return value


def _check_data(sigma_data: float) -> None:
    if not sigma_data > 0:
        raise ValueError(f"sigma_data must be positive; got {sigma_data}")
