"""Weights of the denoising error over times."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.diffusion.prediction import Prediction

__all__ = [
    "edm_weight",
    "likelihood_weight",
    "min_snr_weight",
    "snr_weight",
]


def snr_weight(schedule: Any, t: Any) -> Float[Array, ""]:
    """The signal-to-noise ratio: with it an error of the data weighs as one of the noise does.

    w(t) = alpha²/sigma², as ‖ε − ε̂‖² = SNR ‖x0 − x̂0‖²

    Args:
        schedule: gives log SNR.
        t: the time, a scalar.

    Returns:
        The weight, for predictions of the data.

    Raises:
        TypeError: the time is of the wrong kind.
        ValueError: the time lies outside the schedule (NaN under `jit`).

    Source: Salimans and Ho (2022), section 4.

    >>> from genjax.diffusion import rectified
    >>> print(snr_weight(rectified(), 0.5))
    1.0
    """
    return jnp.exp(schedule.log_snr(t))


def min_snr_weight(prediction: Prediction, *, cap: float = 5.0) -> Callable[[Any, Any], Float[Array, ""]]:
    """The capped weight of min-SNR, which is another function for every prediction.

    NOISE min(SNR, γ)/SNR; DATA min(SNR, γ); V min(SNR, γ)/(SNR + 1): one and the same weighting of the loss

    Args:
        prediction: NOISE, DATA or V (alpha² + sigma² = 1).
        cap: γ, positive.

    Returns:
        `weight(schedule, t)`, as `denoising_loss` takes it.

    Raises:
        ValueError: another prediction, or the cap is not positive.

    Source: Hang et al. (2023), section 3.4.

    >>> from genjax.diffusion import linear_schedule
    >>> print(f"{min_snr_weight(Prediction.V)(linear_schedule(), 501):.4f}")
    0.0778
    """
    if not cap > 0:
        raise ValueError(f"cap must be positive; got {cap}")
    # In log SNR: at either end the ratio itself is infinite or zero.
    log_cap = lambda log_snr: jnp.minimum(log_snr, jnp.log(jnp.asarray(cap, log_snr.dtype)))
    log_weight = {
        Prediction.NOISE: lambda log_snr: jnp.minimum(
            0.0, jnp.log(jnp.asarray(cap, log_snr.dtype)) - log_snr
        ),
        Prediction.DATA: log_cap,
        Prediction.V: lambda log_snr: log_cap(log_snr) - jax.nn.softplus(log_snr),
    }
    if prediction not in log_weight:
        raise ValueError(f"min-SNR is defined for NOISE, DATA and V; got {prediction.name}")
    return lambda schedule, t: jnp.exp(log_weight[prediction](schedule.log_snr(t)))


def edm_weight(*, sigma_data: float = 0.5) -> Callable[[Any, Any], Float[Array, ""]]:
    """The weight of EDM for predictions of the data, under which all levels start alike.

    w = (sigma² + sigma_data²)/(sigma sigma_data)², sigma of the form alpha = 1: sigma(t)/alpha(t)

    Args:
        sigma_data: the standard deviation of the data, positive.

    Returns:
        `weight(schedule, t)`, as `denoising_loss` takes it.

    Raises:
        ValueError: `sigma_data` is not positive.

    Source: Karras et al. (2022), table 1.

    >>> from genjax.diffusion import edm
    >>> print(edm_weight()(edm(), 0.5))
    8.0
    """
    if not sigma_data > 0:
        raise ValueError(f"sigma_data must be positive; got {sigma_data}")
    return lambda schedule, t: jnp.exp(schedule.log_snr(t)) + 1 / sigma_data**2


def likelihood_weight(schedule: Any, t: Any) -> Float[Array, ""]:
    """The weight of the noise's error under which the loss over uniform times is a bound on the likelihood.

    w(t) = −½ d log SNR/dt

    Args:
        schedule: continuous.
        t: the time, a scalar.

    Returns:
        The weight, for predictions of the noise.

    Raises:
        TypeError: the time is of the wrong kind, as on every discrete schedule.
        ValueError: the time lies outside the schedule (NaN under `jit`).

    Source: Kingma et al. (2021), equation 17; Song et al. (2021b), theorem 1.

    >>> from genjax.diffusion import log_snr_linear
    >>> print(likelihood_weight(log_snr_linear(10.0, -10.0), 0.3))
    10.0
    """
    t = jnp.asarray(t)
    schedule.log_snr(t)  # names a wrong time, which inside a derivative is not concrete
    return -jax.jvp(schedule.log_snr, (t,), (jnp.ones_like(t),))[1] / 2
