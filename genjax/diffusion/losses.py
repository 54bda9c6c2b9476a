"""Denoising losses of one example, one time and one draw of noise."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_float, check_key, check_same_shape, check_scalar
from genjax.diffusion.prediction import Prediction, line, refuse_no_signal
from genjax.diffusion.process import add_noise
from genjax.diffusion.schedules import DiscreteSchedule

__all__ = ["denoising_error", "denoising_loss", "l_simple"]


def denoising_error(
    noise_fn: Callable[[Array, Any], Array],
    schedule: Any,
    x0: Float[Array, "*event"],
    t: Any,
    noise: Float[Array, "*event"],
) -> Float[Array, ""]:
    """The squared error of predicted noise: the integrand of L_simple.

    ‖ε − ε_θ(x_t, t)‖², x_t = alpha(t) x0 + sigma(t) ε

    Args:
        noise_fn: `noise_fn(x_t, t)`, the predicted ε, of the shape of x_t.
        schedule: gives alpha and sigma.
        x0: clean data, of any shape.
        t: the time, a scalar.
        noise: ε, a standard normal draw, of the shape of `x0`.

    Returns:
        The error, summed over the event.

    Raises:
        TypeError: an array is not floating point, or the time is of the wrong kind.
        ValueError: shapes differ, `t` is no scalar or lies outside the schedule (NaN under `jit`), or a NaN.

    Source: Ho et al. (2020), equation 14.

    >>> from genjax.diffusion import linear_schedule
    >>> zero = lambda x, t: jnp.zeros_like(x)
    >>> print(denoising_error(zero, linear_schedule(), jnp.zeros(2), 10, jnp.array([3.0, 4.0])))
    25.0
    """
    value = noise_fn(add_noise(schedule, x0, t, noise), t)
    check_same_shape(noise=noise, **{"noise_fn(x_t, t)": value})
    return jnp.sum((noise - value) ** 2)


def l_simple(
    key: PRNGKeyArray, noise_fn: Callable[[Array, Any], Array], schedule: Any, x0: Float[Array, "*event"]
) -> Float[Array, ""]:
    """The simple loss of DDPM, of one time and one draw of noise.

    L_simple = E_{t, ε} ‖ε − ε_θ(alpha(t) x0 + sigma(t) ε, t)‖², t as the schedule draws it

    Args:
        key: of the time and the noise.
        noise_fn: `noise_fn(x_t, t)`, the predicted ε, of the shape of x_t.
        schedule: any.
        x0: clean data, of any shape.

    Returns:
        One term of the expectation, summed over the event.

    Raises:
        TypeError: the key is not typed, or an array is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Ho et al. (2020), equation 14.

    >>> from genjax.diffusion import linear_schedule
    >>> schedule, keys = linear_schedule(), jax.random.split(jax.random.key(0), 10_000)
    >>> normal = lambda x, t: schedule.sigma(t) * x  # the best prediction for N(0, 1) data
    >>> draws = jax.random.normal(jax.random.key(1), (10_000, 1))
    >>> loss = jax.vmap(lambda key, x0: l_simple(key, normal, schedule, x0))(keys, draws)
    >>> print(f"{loss.mean():.1f}")  # the mean of alpha²
    0.3
    """
    check_key(key)
    check_float(x0=x0)
    key_time, key_noise = jax.random.split(key)
    noise = jax.random.normal(key_noise, jnp.shape(x0), jnp.result_type(x0))
    return denoising_error(noise_fn, schedule, x0, schedule.sample_time(key_time), noise)


def denoising_loss(
    key: PRNGKeyArray,
    predict: Callable[[Array, Any], Array],
    schedule: Any,
    x0: Float[Array, "*event"],
    *,
    prediction: Prediction,
    weight: Callable[[Any, Array], Array] | None = None,
    time_sampler: Callable[[PRNGKeyArray], Array] | None = None,
) -> Float[Array, ""]:
    """The squared error of any prediction, weighted over times.

    w(t) ‖target(x0, ε, t) − predict(x_t, t)‖²

    Args:
        key: of the time and the noise.
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: any.
        x0: clean data, of any shape.
        prediction: what is predicted, and compared with its own target.
        weight: `weight(schedule, t) -> scalar`, such as `min_snr_weight`; 1 by default.
        time_sampler: key → t; the schedule's own by default.

    Returns:
        One term of the expectation, summed over the event.

    Raises:
        TypeError: the key is not typed, or an array is not floating point.
        ValueError: shapes differ, a NaN, VELOCITY on a discrete schedule, or NOISE or SCORE on one that ends
            without a signal.

    Source: Salimans and Ho (2022), section 4; Kingma and Gao (2023), equation 9.

    >>> from genjax.diffusion import rectified
    >>> constant = lambda x, t: jnp.array([2.0])
    >>> loss = denoising_loss(jax.random.key(0), constant, rectified(), jnp.array([1.0]), prediction=Prediction.DATA)
    >>> print(loss)
    1.0
    """
    check_key(key)
    check_float(x0=x0)
    if isinstance(schedule, DiscreteSchedule):
        refuse_no_signal(schedule.alpha(schedule.num_steps), prediction)
    key_time, key_noise = jax.random.split(key)
    t = (time_sampler or schedule.sample_time)(key_time)
    noise = jax.random.normal(key_noise, jnp.shape(x0), jnp.result_type(x0))
    x_t = add_noise(schedule, x0, t, noise)
    value = predict(x_t, t)
    check_same_shape(x0=x0, **{"predict(x_t, t)": value})
    a, b = line(schedule, t, prediction, x0.dtype)
    error = jnp.sum((a * x0 + b * noise - value) ** 2)
    if weight is None:
        return error
    factor = weight(schedule, t)
    check_scalar("weight(schedule, t)", factor)
    return jnp.asarray(factor, error.dtype) * error
