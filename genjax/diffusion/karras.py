"""The schedule of EDM, whose time is the noise level itself."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_key
from genjax.diffusion.continuous import Time, checked_time, require, unit_signal

__all__ = ["Edm", "edm"]


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
        return unit_signal(checked_time(t, jnp.inf))

    def sigma(self, t: Time) -> Float[Array, ""]:
        """The scale of the noise, t."""
        return checked_time(t, jnp.inf)

    def log_snr(self, t: Time) -> Float[Array, ""]:
        """The log signal-to-noise ratio, −2 log t."""
        return -2 * jnp.log(checked_time(t, jnp.inf))

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
    require(0 < sigma_min < sigma_max, "0 < sigma_min < sigma_max", sigma_min, sigma_max)
    require(rho > 0 and log_sigma_std > 0, "positive rho and log_sigma_std", rho, log_sigma_std)
    return Edm(sigma_min, sigma_max, rho, log_sigma_mean, log_sigma_std)
