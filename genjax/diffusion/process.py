"""The forward process, its levels, and the posterior between two times."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import (
    check_float,
    check_key,
    check_not_nan,
    check_same_shape,
    check_scalar,
    check_values,
)

__all__ = [
    "Level",
    "add_noise",
    "level",
    "posterior",
    "posterior_variance",
    "prior_sample",
    "transition_variance",
]


class Level(NamedTuple):
    """A time of a schedule and its scales.

    Args:
        t: the time.
        alpha: the scale of the signal.
        sigma: the scale of the noise.
        log_snr: log(alpha²/sigma²).
        log_snr_rest: what the dtype leaves out of `log_snr`, where the schedule knows it.

    >>> print(Level(t=jnp.array(0), alpha=jnp.array(1.0), sigma=jnp.array(0.0), log_snr=jnp.array(jnp.inf)).alpha)
    1.0
    """

    t: Array
    alpha: Array
    sigma: Array
    log_snr: Array
    log_snr_rest: Array | float = 0.0


def level(schedule: Any, t: Any, dtype: Any = None) -> Level:
    """The level of a schedule at a time, its scales in one dtype."""
    alpha, sigma, log_snr = (
        jnp.asarray(fn(t), dtype) for fn in (schedule.alpha, schedule.sigma, schedule.log_snr)
    )
    rest = getattr(schedule, "log_snr_rest", lambda t: jnp.zeros_like(log_snr))
    return Level(jnp.asarray(t), alpha, sigma, log_snr, jnp.asarray(rest(t), dtype))


def add_noise(
    schedule: Any, x0: Float[Array, "*event"], t: Any, noise: Float[Array, "*event"]
) -> Float[Array, "*event"]:
    """One example at a noise level, straight from the closed-form marginal of the forward process.

    x_t = alpha(t) x0 + sigma(t) ε

    Args:
        schedule: gives alpha and sigma.
        x0: clean data, of any shape.
        t: the time, a scalar of the schedule's kind.
        noise: ε, a standard normal draw, of the shape of `x0`.

    Returns:
        x_t, of the same shape.

    Raises:
        TypeError: an array is not floating point, or the time is of the wrong kind.
        ValueError: shapes differ, `t` is no scalar or lies outside the schedule (NaN under `jit`), or a NaN.

    Source: Ho et al. (2020), equation 4.

    >>> from genjax.diffusion import rectified
    >>> print(add_noise(rectified(), jnp.array([1.0]), 0.25, jnp.array([3.0])))
    [1.5]
    """
    check_float(x0=x0, noise=noise)
    check_same_shape(x0=x0, noise=noise)
    check_scalar("t", t)
    check_not_nan(x0=x0, noise=noise)
    at = level(schedule, t, x0.dtype)
    return at.alpha * x0 + at.sigma * noise


def posterior(
    schedule: Any, x0: Float[Array, "*event"], x_t: Float[Array, "*event"], s: Any, t: Any
) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
    """The law of x_s given x_t and x0, for any s < t: a Gaussian.

    r = SNR(t)/SNR(s); mean = alpha_s (1 − r) x0 + (alpha_t/alpha_s) (sigma_s/sigma_t)² x_t, variance = sigma_s² (1
    − r)

    Args:
        schedule: gives alpha, sigma and log SNR.
        x0: clean data, of any shape.
        x_t: the example at time t, of the same shape.
        s: the earlier time; at clean data the law is x0 itself.
        t: the later time.

    Returns:
        The mean, of the shape of `x0`, and the variance, a scalar.

    Raises:
        TypeError: an array is not floating point, or a time is of the wrong kind.
        ValueError: shapes differ, a NaN, or s does not lie before t (NaN under `jit`).

    Source: Ho et al. (2020), equations 6 and 7, for any two times.

    >>> from genjax.diffusion import linear_schedule
    >>> mean, variance = posterior(linear_schedule(), jnp.array([1.0]), jnp.array([0.5]), 0, 1)
    >>> print(mean, variance)
    [1.] 0.0
    """
    check_float(x0=x0, x_t=x_t)
    check_same_shape(x0=x0, x_t=x_t)
    check_not_nan(x0=x0, x_t=x_t)
    now, earlier = level(schedule, t, x0.dtype), level(schedule, s, x0.dtype)
    order = _in_order(s, t, x0.dtype)
    return order * posterior_mean(x0, x_t, now, earlier), order * earlier.sigma**2 * lost(now, earlier)


def posterior_mean(x0: Array, x_t: Array, now: Level, earlier: Level) -> Array:
    """The mean of x_s given x_t and x0, from levels."""
    pull = (now.alpha / earlier.alpha) * (earlier.sigma / now.sigma) ** 2
    return earlier.alpha * lost(now, earlier) * x0 + pull * x_t


def log_snr_gain(now: Level, earlier: Level) -> Array:
    """How much log SNR grows from a level to an earlier one, with what float32 leaves out of either."""
    return (earlier.log_snr - now.log_snr) + (earlier.log_snr_rest - now.log_snr_rest)


def lost(now: Level, earlier: Level) -> Array:
    """1 − SNR(t)/SNR(s), the share of the signal-to-noise ratio that is lost between two levels."""
    return -jnp.expm1(-log_snr_gain(now, earlier))


def root_kept(now: Level, earlier: Level) -> Array:
    """√(SNR(t)/SNR(s)), with a gradient where the square root of a share of zero would have none."""
    return jnp.exp(-log_snr_gain(now, earlier) / 2)


def _in_order(s: Any, t: Any, dtype: Any) -> Array:
    """1, or NaN where the earlier time is not the earlier one: a variance would be negative there."""
    s, t = jnp.asarray(s), jnp.asarray(t)
    check_values("s", s, s < t, f"lie before t{'' if isinstance(t, Tracer) else f' = {t}'}")
    return jnp.where(s < t, 1.0, jnp.nan).astype(dtype)


def transition_variance(schedule: Any, s: Any, t: Any) -> Float[Array, ""]:
    """The variance that the forward process adds from s to t, as a reverse variance: beta_t between neighbours.

    sigma_t² − (alpha_t/alpha_s)² sigma_s² = sigma_t² (1 − SNR(t)/SNR(s))

    Args:
        schedule: gives sigma and log SNR.
        s: the earlier time.
        t: the later time.

    Returns:
        The variance, a scalar.

    Raises:
        TypeError: a time is of the wrong kind.
        ValueError: a time lies outside the schedule, or s not before t (NaN under `jit`).

    Source: Ho et al. (2020), section 3.2.

    >>> from genjax.diffusion import linear_schedule
    >>> print(f"{transition_variance(linear_schedule(), 999, 1000):.4f}")
    0.0200
    """
    now, earlier = level(schedule, t), level(schedule, s)
    return _in_order(s, t, now.sigma.dtype) * now.sigma**2 * lost(now, earlier)


def posterior_variance(schedule: Any, s: Any, t: Any) -> Float[Array, ""]:
    """The variance of x_s given x_t and x0, as a reverse variance.

    sigma_s² (1 − SNR(t)/SNR(s))

    Args:
        schedule: gives sigma and log SNR.
        s: the earlier time.
        t: the later time.

    Returns:
        The variance, a scalar; 0 at clean data.

    Raises:
        TypeError: a time is of the wrong kind.
        ValueError: a time lies outside the schedule, or s not before t (NaN under `jit`).

    Source: Ho et al. (2020), equation 7.

    >>> from genjax.diffusion import linear_schedule
    >>> print(posterior_variance(linear_schedule(), 0, 1))
    0.0
    """
    now, earlier = level(schedule, t), level(schedule, s)
    return _in_order(s, t, now.sigma.dtype) * earlier.sigma**2 * lost(now, earlier)


def prior_sample(key: PRNGKeyArray, schedule: Any, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Draw where sampling starts.

    x_T ~ N(0, sigma(T)² I), T the first of the schedule's times

    Args:
        key: one key.
        schedule: gives sigma and its times.
        shape: of one event.

    Returns:
        x_T.

    Raises:
        TypeError: the key is not typed.

    Source: Ho et al. (2020), section 2; Song et al. (2021), appendix C.

    >>> from genjax.diffusion import edm
    >>> prior_sample(jax.random.key(0), edm(), (3, 2)).shape
    (3, 2)
    """
    check_key(key)
    noise = jax.random.normal(key, shape)
    return jnp.asarray(schedule.sigma(schedule.times(1)[0]), noise.dtype) * noise
