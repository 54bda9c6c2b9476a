"""Continuous noise schedules, each in closed forms of its own that keep their digits at both ends."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_key, check_values

__all__ = [
    "Edm",
    "LogSnrLinear",
    "Rectified",
    "VarianceExploding",
    "VariancePreserving",
    "edm",
    "log_snr_linear",
    "rectified",
    "variance_exploding",
    "variance_preserving",
]

Time = Float[Array, ""] | float
_START = 1e-5
"""Where an integral over time begins: at 0 the slopes of some schedules are infinite."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class VariancePreserving:
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

    def times(self, num_steps: int) -> Float[Array, " n"]:
        """Evenly spaced times from 1 to 1/n."""
        return _trailing(num_steps)

    def sample_time(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw t uniformly from the open (0, 1)."""
        return open_uniform(key)

    def _integral(self, t: Time) -> Array:
        t = _checked(t, 1.0)
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t**2


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class VarianceExploding:
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
        return jnp.ones_like(_checked(t, 1.0))

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise at t in [0, 1]."""
        return jnp.exp(self._log_sigma(t))

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at t in [0, 1]."""
        return -2 * self._log_sigma(t)

    def times(self, num_steps: int) -> Float[Array, " n"]:
        """Evenly spaced times from 1 to 1/n, whose noise levels are evenly spaced in their logarithm."""
        return _trailing(num_steps)

    def sample_time(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw t uniformly from the open (0, 1)."""
        return open_uniform(key)

    def _log_sigma(self, t: Time) -> Array:
        t = _checked(t, 1.0)
        return jnp.log(self.sigma_min) + t * (jnp.log(self.sigma_max) - jnp.log(self.sigma_min))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Rectified:
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
        return 1 - _checked(t, 1.0)

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise at t in [0, 1]."""
        return _checked(t, 1.0)

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at t in [0, 1]."""
        t = _checked(t, 1.0)
        return 2 * (jnp.log1p(-t) - jnp.log(t))

    def times(self, num_steps: int) -> Float[Array, " n"]:
        """Evenly spaced times from 1 to 1/n."""
        return _trailing(num_steps)

    def sample_time(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw t uniformly from the open (0, 1)."""
        return open_uniform(key)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class LogSnrLinear:
    """alpha² + sigma² = 1 with a log SNR that falls linearly between fixed ends, t in [0, 1].

    log SNR = max + t (min − max), alpha² = sigmoid(log SNR), sigma² = sigmoid(−log SNR)

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
        return self.log_snr_max + _checked(t, 1.0) * (self.log_snr_min - self.log_snr_max)

    def times(self, num_steps: int) -> Float[Array, " n"]:
        """Evenly spaced times from 1 to 1/n, and so evenly spaced in log SNR."""
        return _trailing(num_steps)

    def sample_time(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw t uniformly from the open (0, 1)."""
        return open_uniform(key)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Edm:
    """The signal stays, and time is the noise level itself.

    alpha = 1, sigma = t; `times` is the Karras grid, t_i^(1/ρ) evenly spaced from sigma_max^(1/ρ) to sigma_min^(1/ρ)

    Args:
        sigma_min: the least level of the grid.
        sigma_max: the first level of the grid, from which samples start.
        rho: ρ; a larger one puts more of the levels near `sigma_min`.
        log_sigma_mean: of the normal law of log sigma in training.
        log_sigma_std: of the same.

    Source: Karras et al. (2022), equation 5 and table 1.

    >>> print([f"{t:.4f}" for t in edm().times(3)])
    ['80.0000', '2.5152', '0.0020']
    """

    sigma_min: Any
    sigma_max: Any
    rho: Any
    log_sigma_mean: Any
    log_sigma_std: Any

    @property
    def span(self) -> tuple[Any, Any]:
        """The times between which likelihoods integrate."""
        return self.sigma_min, self.sigma_max

    def alpha(self, t: Time) -> Float[Array, ""]:
        """The scale of the signal, 1."""
        return jnp.ones_like(_checked(t, jnp.inf))

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise, t."""
        return _checked(t, jnp.inf)

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio, −2 log t."""
        return -2 * jnp.log(_checked(t, jnp.inf))

    def times(self, num_steps: int) -> Float[Array, " n"]:
        """The Karras grid of n levels, both ends included; the first alone where n is 1."""
        check_count(num_steps=num_steps)
        first, last = (jnp.asarray(end, float) for end in (self.sigma_max, self.sigma_min))
        share = jnp.arange(int(num_steps), dtype=first.dtype) / max(int(num_steps) - 1, 1)
        ends = first ** (1 / self.rho), last ** (1 / self.rho)
        grid = (ends[0] + share * (ends[1] - ends[0])) ** self.rho
        return jnp.where(share == 0, first, jnp.where(share == 1, last, grid))

    def sample_time(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """Draw a log-normal t."""
        check_key(key)
        return jnp.exp(self.log_sigma_mean + self.log_sigma_std * jax.random.normal(key))


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
    _require(0 < beta_min <= beta_max, "0 < beta_min <= beta_max", beta_min, beta_max)
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
    _require(0 < sigma_min < sigma_max, "0 < sigma_min < sigma_max", sigma_min, sigma_max)
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
    _require(log_snr_min < log_snr_max, "log_snr_min < log_snr_max", log_snr_min, log_snr_max)
    return LogSnrLinear(log_snr_max, log_snr_min)


def edm(
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    *,
    rho: float = 7.0,
    log_sigma_mean: float = -1.2,
    log_sigma_std: float = 1.2,
) -> Edm:
    """The schedule of EDM, whose time is the noise level.

    alpha = 1, sigma = t; levels of sampling t_i = (sigma_max^(1/ρ) + i/(n−1) (sigma_min^(1/ρ) − sigma_max^(1/ρ)))^ρ

    Args:
        sigma_min: the least level of the grid, positive.
        sigma_max: the first level of the grid, above `sigma_min`.
        rho: ρ, positive.
        log_sigma_mean: of the normal law of log sigma in training.
        log_sigma_std: of the same, positive.

    Returns:
        The schedule.

    Raises:
        ValueError: a number is out of range.

    Source: Karras et al. (2022), equation 5 and table 1.

    >>> print(f"{edm().times(5)[1]:.4f}")
    17.5278
    """
    _require(0 < sigma_min < sigma_max, "0 < sigma_min < sigma_max", sigma_min, sigma_max)
    _require(rho > 0 and log_sigma_std > 0, "positive rho and log_sigma_std", rho, log_sigma_std)
    return Edm(sigma_min, sigma_max, rho, log_sigma_mean, log_sigma_std)


def open_uniform(key: PRNGKeyArray) -> Float[Array, ""]:
    """Draw from the open (0, 1): midpoints of 2²³ cells, so that neither end is ever met."""
    check_key(key)
    cell = jax.random.randint(key, (), 0, 2**23, jnp.int32)
    return (cell.astype(float) + 0.5) / 2**23


def _require(valid: bool, expected: str, *values: float) -> None:
    if not valid:
        raise ValueError(f"expected {expected}; got {', '.join(map(str, values))}")


def _trailing(num_steps: int) -> Float[Array, " n"]:
    check_count(num_steps=num_steps)
    return 1 - jnp.arange(int(num_steps), dtype=float) / int(num_steps)


def _checked(t: Time, end: float) -> Float[Array, ""]:
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
