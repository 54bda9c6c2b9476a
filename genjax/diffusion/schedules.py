"""Discrete noise schedules: alpha and sigma as tables over t = 0, …, T, clean data at t = 0."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from genjax._checks import check_count, check_key, check_values

__all__ = [
    "DiscreteSchedule",
    "cosine_schedule",
    "linear_schedule",
    "rescale_zero_terminal_snr",
    "schedule_from_betas",
]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class DiscreteSchedule:
    """A table of noise levels, x_t = alpha_t x_0 + sigma_t ε with alpha² + sigma² = 1.

    alpha_t² = Π_{i ≤ t} (1 − beta_i); log SNR = log(alpha_t²/sigma_t²), +∞ at t = 0

    `linear_schedule`, `cosine_schedule`, `schedule_from_betas` and `rescale_zero_terminal_snr` make one. The
    tables are computed in float64 and stored in float32, each from its own closed form. Differences of log SNR
    between neighbours are small against log SNR itself, so that what float32 leaves out of it is a table too.

    Args:
        alphas: alpha_0, …, alpha_T, `[T + 1]`.
        sigmas: sigma_0, …, sigma_T, `[T + 1]`.
        log_snrs: log SNR, `[T + 1]`.
        log_snr_rests: log SNR less its float32, `[T + 1]`; none stands for zeros.

    >>> schedule = linear_schedule()
    >>> print(f"{schedule.alpha(1000) ** 2:.6e} {schedule.num_steps}")
    4.035830e-05 1000
    """

    alphas: Array  # without shapes, because transformations put batches and placeholders here
    sigmas: Array
    log_snrs: Array
    log_snr_rests: Array | None = None

    @property
    def num_steps(self) -> int:
        """T, the last time."""
        return self.alphas.shape[-1] - 1

    def alpha(self, t: Int[Array, ""] | int) -> Float[Array, ""]:
        """The scale of the signal at integer t in 0..T."""
        return self._at(self.alphas, t)

    def sigma(self, t: Int[Array, ""] | int) -> Float[Array, ""]:
        """The scale of the noise at integer t in 0..T."""
        return self._at(self.sigmas, t)

    def log_snr(self, t: Int[Array, ""] | int) -> Float[Array, ""]:
        """The log signal-to-noise ratio log(alpha²/sigma²) at integer t in 0..T."""
        return self._at(self.log_snrs, t)

    def log_snr_rest(self, t: Int[Array, ""] | int) -> Float[Array, ""]:
        """What float32 leaves out of `log_snr`, for differences between two times."""
        rests = jnp.zeros_like(self.log_snrs) if self.log_snr_rests is None else self.log_snr_rests
        return self._at(rests, t)

    def times(self, num_steps: int) -> Int[Array, " n"]:
        """Strictly decreasing times, evenly spaced and the first T ("trailing"), at which a network is called."""
        check_count(num_steps=num_steps)
        if num_steps > self.num_steps:
            raise ValueError(f"num_steps must be at most the schedule's {self.num_steps}; got {num_steps}")
        return jnp.asarray(np.round(self.num_steps * (1 - np.arange(num_steps) / num_steps)).astype(np.int32))

    def sample_time(self, key: PRNGKeyArray) -> Int[Array, ""]:
        """Draw t uniformly from 1..T."""
        check_key(key)
        return jax.random.randint(key, (), 1, self.num_steps + 1, jnp.int32)

    def _at(self, table: Array, t: Array | int) -> Array:
        dtype = jnp.result_type(t)
        if not jnp.issubdtype(dtype, jnp.integer):
            raise TypeError(f"a discrete schedule takes integer times 0..{self.num_steps}; got {dtype}")
        if jnp.ndim(t):
            raise ValueError(f"t must be a scalar; got shape {jnp.shape(t)}: map times with jax.vmap")
        t = jnp.asarray(t)
        check_values("t", t, (t >= 0) & (t <= self.num_steps), f"lie in 0..{self.num_steps}")
        return table.at[t].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


def linear_schedule(
    num_steps: int = 1000, *, beta_start: float | None = None, beta_end: float | None = None
) -> DiscreteSchedule:
    """Betas that grow linearly, as in DDPM.

    beta_t = beta_start + (t − 1)/(T − 1) (beta_end − beta_start), t = 1..T

    Args:
        num_steps: T.
        beta_start: beta_1; 0.1/T by default, the paper's 10⁻⁴ at T = 1000.
        beta_end: beta_T; 20/T by default, the paper's .02 at T = 1000, so that alpha_T is near 0 for any T.

    Returns:
        The schedule.

    Raises:
        TypeError: `num_steps` is no integer.
        ValueError: T is at most 20 and `beta_end` is not given, which would be 1 or more; or a beta is out of range.

    Source: Ho et al. (2020), section 4.

    >>> print(f"{linear_schedule().alpha(101) ** 2:.5f}")
    0.89514
    """
    check_count(num_steps=num_steps)
    if num_steps <= 20 and beta_end is None:
        raise ValueError(f"num_steps of at most 20 needs an explicit beta_end below 1; got {num_steps} steps")
    start = 0.1 / num_steps if beta_start is None else beta_start
    end = 20 / num_steps if beta_end is None else beta_end
    return schedule_from_betas(np.linspace(start, end, int(num_steps)))


def cosine_schedule(num_steps: int = 1000, *, offset: float = 0.008) -> DiscreteSchedule:
    """Noise that grows slowly at both ends.

    alpha_t² = Π_{i ≤ t} max(f(i)/f(i−1), .001), f(t) = cos²((t/T + s)/(1 + s) π/2); betas are capped at .999

    Args:
        num_steps: T.
        offset: s, which keeps the first betas from vanishing.

    Returns:
        The schedule.

    Raises:
        TypeError: `num_steps` is no integer.
        ValueError: `num_steps` is below 1, or the offset is not positive.

    Source: Nichol and Dhariwal (2021), equation 17.

    >>> print(f"{cosine_schedule().alpha(1) ** 2:.8f}")
    0.99995875
    """
    check_count(num_steps=num_steps)
    if not offset > 0:
        raise ValueError(f"offset must be positive; got {offset}")
    f = np.cos((np.arange(int(num_steps) + 1) / num_steps + offset) / (1 + offset) * math.pi / 2) ** 2
    return schedule_from_betas(np.minimum(1 - f[1:] / f[:-1], 0.999))


def schedule_from_betas(betas: Float[Array, " T"] | np.ndarray | list[float]) -> DiscreteSchedule:
    """A schedule from the variance that each step adds.

    alpha_t² = Π_{i ≤ t} (1 − beta_i)

    Args:
        betas: beta_1, …, beta_T, each in (0, 1), concrete numbers.

    Returns:
        The schedule of T steps.

    Raises:
        ValueError: not `[T]` with at least one step, or a beta out of range.

    Source: Ho et al. (2020), equations 2 and 4.

    >>> print(f"{schedule_from_betas([0.1, 0.2]).sigma(2) ** 2:.2f}")
    0.28
    """
    betas = np.asarray(betas, float)
    if betas.ndim != 1 or len(betas) == 0:
        raise ValueError(f"betas must be [T] with at least one step; got shape {betas.shape}")
    check_values("betas", betas, (betas > 0) & (betas < 1), "lie in (0, 1)")
    return _from_log_bars(np.concatenate([[0.0], np.cumsum(np.log1p(-betas))]))


def rescale_zero_terminal_snr(schedule: DiscreteSchedule) -> DiscreteSchedule:
    """The same schedule shifted and scaled so that nothing of the signal is left at T.

    alpha_t ← (alpha_t − alpha_T) alpha_1/(alpha_1 − alpha_T), t = 1..T; alpha_0 = 1, and alpha_T = 0 exactly

    A prediction of the noise says nothing at T then: train and sample with DATA, V or VELOCITY.

    Args:
        schedule: of two steps or more, concrete.

    Returns:
        The schedule.

    Raises:
        ValueError: the schedule has one step.

    Source: Lin et al. (2024), algorithm 1.

    >>> print(rescale_zero_terminal_snr(linear_schedule()).alpha(1000))
    0.0
    """
    log_snr = np.asarray(schedule.log_snrs, float)[1:]
    if schedule.log_snr_rests is not None:
        log_snr = log_snr + np.asarray(schedule.log_snr_rests, float)[1:]
    if len(log_snr) < 2:
        raise ValueError(f"the schedule must have two steps or more; got {len(log_snr)}")
    root = np.exp(-np.logaddexp(0, -log_snr) / 2)  # alpha, from what is accurate at both ends
    alpha = (root - root[-1]) * root[0] / (root[0] - root[-1])
    with np.errstate(divide="ignore"):
        return _from_log_bars(np.concatenate([[0.0], 2 * np.log(alpha)]))


def _from_log_bars(log_bars: np.ndarray) -> DiscreteSchedule:
    """The tables from log alpha², in float64."""
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = -np.expm1(log_bars)
        log_snrs = log_bars - np.log(noise)
        rests = np.where(np.isfinite(log_snrs), log_snrs - log_snrs.astype(np.float32), 0.0)
    tables = (np.exp(log_bars / 2), np.sqrt(noise), log_snrs, rests)
    return DiscreteSchedule(*(jnp.asarray(table, jnp.float32) for table in tables))
