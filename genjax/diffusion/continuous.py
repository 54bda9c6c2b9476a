"""Noise schedules on [0, 1], each in closed forms of its own that keep their digits at both ends."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_key, check_values

__all__ = [
    "LogSnrLinear",
    "Rectified",
    "VarianceExploding",
    "VariancePreserving",
    "log_snr_linear",
    "rectified",
    "variance_exploding",
    "variance_preserving",
]

Time = Float[Array, ""] | float
_START = 1e-5
"""Where an integral over time begins: at 0 the slopes of some schedules are infinite."""


class _UnitInterval:
    """Times in [0, 1]: where a network is called, and where it is trained."""

    def times(self, num_steps: int) -> Float[Array, " n"]:
        """Evenly spaced times from 1 to 1/n."""
        check_count(num_steps=num_steps)
        return 1 - jnp.arange(int(num_steps), dtype=float) / int(num_steps)

    def sample_time(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw t uniformly from the open (0, 1)."""
        return open_uniform(key)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class VariancePreserving(_UnitInterval):
    """alpha² + sigma² = 1 under a linearly growing rate of noise, t in [0, 1].

    B(t) = beta_min t + ½ (beta_max − beta_min) t²; alpha = exp(−B/2), sigma² = 1 − exp(−B), log SNR = −log(exp(B) −
    1)

    Args:
        beta_min: the rate at t = 0.
        beta_max: the rate at t = 1.

    Source: Song et al. (2021), equation 32.

    >>> print(f"{variance_preserving().alpha(1.0):.4f}")
    0.0066
    """

    beta_min: Any
    beta_max: Any

    @property
    def span(self) -> tuple[float, float]:
        """The times between which likelihoods integrate."""
        return _START, 1.0

    def alpha(self, t: Time) -> Float[Array, ""]:
        """The scale of the signal at t in [0, 1]."""
        return jnp.exp(-self._integral(t) / 2)

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise at t in [0, 1]."""
        return jnp.exp(jax.nn.log1mexp(self._integral(t)) / 2)  # whose slope keeps its digits at either end

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at t in [0, 1]."""
        return -jnp.log(jnp.expm1(self._integral(t)))

    def _integral(self, t: Time) -> Array:
        t = checked_time(t, 1.0)
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t**2


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class VarianceExploding(_UnitInterval):
    """The signal stays, and noise grows geometrically, t in [0, 1].

    alpha = 1, sigma = sigma_min (sigma_max/sigma_min)^t; at t = 0 there is noise of sigma_min already

    Args:
        sigma_min: the noise at t = 0.
        sigma_max: the noise at t = 1.

    Source: Song et al. (2021), equation 30.

    >>> print(f"{variance_exploding(0.01, 50.0).sigma(1.0):.1f}")
    50.0
    """

    sigma_min: Any
    sigma_max: Any

    @property
    def span(self) -> tuple[float, float]:
        """The times between which likelihoods integrate."""
        return 0.0, 1.0

    def alpha(self, t: Time) -> Float[Array, ""]:
        """The scale of the signal, 1."""
        return unit_signal(checked_time(t, 1.0))

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise at t in [0, 1]."""
        return jnp.exp(self._log_sigma(t))

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at t in [0, 1]."""
        return -2 * self._log_sigma(t)

    def _log_sigma(self, t: Time) -> Array:
        t = checked_time(t, 1.0)
        return jnp.log(self.sigma_min) + t * (jnp.log(self.sigma_max) - jnp.log(self.sigma_min))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Rectified(_UnitInterval):
    """Straight lines from data to noise, t in [0, 1].

    alpha = 1 − t, sigma = t, log SNR = 2 (log(1 − t) − log t)

    Source: Liu et al. (2023), equation 1, with their clock reversed.

    >>> print(rectified().alpha(0.25))
    0.75
    """

    @property
    def span(self) -> tuple[float, float]:
        """The times between which likelihoods integrate."""
        return 0.0, 1.0

    def alpha(self, t: Time) -> Float[Array, ""]:
        """The scale of the signal at t in [0, 1]."""
        return 1 - checked_time(t, 1.0)

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise at t in [0, 1]."""
        return checked_time(t, 1.0)

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at t in [0, 1]."""
        t = checked_time(t, 1.0)
        return 2 * (jnp.log1p(-t) - jnp.log(t))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LogSnrLinear(_UnitInterval):
    """alpha² + sigma² = 1 with a log SNR that falls linearly between fixed ends, t in [0, 1].

    log SNR = log_snr_max + t (log_snr_min − log_snr_max), alpha² = sigmoid(log SNR), sigma² = sigmoid(−log SNR)

    Args:
        log_snr_max: at t = 0.
        log_snr_min: at t = 1.

    Source: Kingma et al. (2021), section 3.3, with a linear γ.

    >>> print(log_snr_linear(10.0, -10.0).log_snr(0.25))
    5.0
    """

    log_snr_max: Any
    log_snr_min: Any

    @property
    def span(self) -> tuple[float, float]:
        """The times between which likelihoods integrate."""
        return 0.0, 1.0

    def alpha(self, t: Time) -> Float[Array, ""]:
        """The scale of the signal at t in [0, 1]."""
        return jnp.exp(jax.nn.log_sigmoid(self.log_snr(t)) / 2)

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise at t in [0, 1]."""
        return jnp.exp(jax.nn.log_sigmoid(-self.log_snr(t)) / 2)

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at t in [0, 1]."""
        return self.log_snr_max + checked_time(t, 1.0) * (self.log_snr_min - self.log_snr_max)


def variance_preserving(beta_min: float = 0.1, beta_max: float = 20.0) -> VariancePreserving:
    """The variance-preserving schedule, the continuous form of `linear_schedule`.

    alpha = exp(−½ [beta_min t + ½ (beta_max − beta_min) t²]), alpha² + sigma² = 1

    Args:
        beta_min: the rate of noise at t = 0, positive.
        beta_max: the rate at t = 1, at least `beta_min`.

    Returns:
        The schedule.

    Raises:
        ValueError: a rate is out of range.

    Source: Song et al. (2021), equation 32.

    >>> print(f"{variance_preserving().sigma(1e-7):.4e}")
    1.0000e-04
    """
    require(0 < beta_min <= beta_max, "0 < beta_min <= beta_max", beta_min, beta_max)
    return VariancePreserving(beta_min, beta_max)


def variance_exploding(sigma_min: float, sigma_max: float) -> VarianceExploding:
    """The variance-exploding schedule.

    alpha = 1, sigma = sigma_min (sigma_max/sigma_min)^t

    Args:
        sigma_min: the noise at t = 0, positive.
        sigma_max: the noise at t = 1, above `sigma_min`, and far above the spread of the data.

    Returns:
        The schedule.

    Raises:
        ValueError: a level is out of range.

    Source: Song et al. (2021), equation 30.

    >>> print(f"{variance_exploding(0.01, 50.0).log_snr(0.0):.4f}")
    9.2103
    """
    require(0 < sigma_min < sigma_max, "0 < sigma_min < sigma_max", sigma_min, sigma_max)
    return VarianceExploding(sigma_min, sigma_max)


def rectified() -> Rectified:
    """The schedule of rectified flow and of flow matching on straight lines.

    alpha = 1 − t, sigma = t

    Returns:
        The schedule.

    Raises:
        TypeError: (of its methods) an integer time.

    Args: none.

    Source: Liu et al. (2023), equation 1, with their clock reversed.

    >>> print(rectified().log_snr(0.5))
    0.0
    """
    return Rectified()


def log_snr_linear(log_snr_max: float, log_snr_min: float) -> LogSnrLinear:
    """A schedule with fixed ends of its log SNR, on which a bound can be compared between numbers of steps.

    log SNR = log_snr_max + t (log_snr_min − log_snr_max)

    Args:
        log_snr_max: at t = 0.
        log_snr_min: at t = 1, below `log_snr_max`.

    Returns:
        The schedule.

    Raises:
        ValueError: the ends are not in order.

    Source: Kingma et al. (2021), section 3.3, with a linear γ.

    >>> print(f"{log_snr_linear(10.0, -10.0).alpha(1.0):.4f}")
    0.0067
    """
    require(log_snr_min < log_snr_max, "log_snr_min < log_snr_max", log_snr_min, log_snr_max)
    return LogSnrLinear(log_snr_max, log_snr_min)


def open_uniform(key: PRNGKeyArray) -> Float[Array, ""]:
    """Draw from the open (0, 1): midpoints of 2²³ cells, so that neither end is ever met."""
    check_key(key)
    cell = jax.random.randint(key, (), 0, 2**23, jnp.int32)
    return (cell.astype(float) + 0.5) / 2**23


def require(valid: bool, expected: str, *values: float) -> None:
    """Refuse parameters of a schedule that are out of range."""
    if not valid:
        raise ValueError(f"expected {expected}; got {', '.join(map(str, values))}")


def unit_signal(t: Float[Array, ""]) -> Float[Array, ""]:
    """1 at every time of the schedule, NaN where `checked_time` is."""
    return jnp.where(jnp.isnan(t), t, 1.0)


def checked_time(t: Time, end: float) -> Float[Array, ""]:
    """A floating-point scalar time, NaN outside [0, end]."""
    dtype = jnp.result_type(t)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"a continuous schedule takes floating-point times; got {dtype}")
    if jnp.ndim(t):
        raise ValueError(f"t must be a scalar; got shape {jnp.shape(t)}: map times with jax.vmap")
    t = jnp.asarray(t)
    inside = (t >= 0) & (t <= end)
    check_values("t", t, inside, f"lie in [0, {end:g}]")
    return jnp.where(inside, t, jnp.nan)
