"""Rules of one sampling step, between two levels and with as many network calls as they say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from genjax._checks import check_count
from genjax.diffusion.process import Level, log_snr_gain, lost, posterior_mean, posterior_variance, root_kept
from genjax.score import langevin_step

__all__ = [
    "Sampler",
    "ancestral",
    "ddim",
    "dpm_solver_pp_2m",
    "euler",
    "euler_maruyama",
    "heun",
    "predictor_corrector",
]

Estimate = Callable[[Array, Level], tuple[Array, Array]]
ReverseVariance = Callable[[Any, Any, Any], Array]


@runtime_checkable
class Sampler(Protocol):
    """A rule that takes a state from one level to the next; any object with these members is one.

    >>> sampler: Sampler = ddim()
    >>> sampler.num_calls(10), sampler.draws
    (10, 0)
    """

    @property
    def draws(self) -> int:
        """Normal draws of the state's shape per step, 0 of a deterministic rule."""
        ...

    def init(self, x: Array) -> Any:
        """What the rule carries from step to step."""
        ...

    def step(
        self, state: Any, noise: Array, estimate: Estimate, x: Array, now: Level, following: Level
    ) -> tuple[Array, Any]:
        """The state at `following`, and what is carried on; `estimate(x, level)` is the network's `(x0, ε)`."""
        ...

    def num_calls(self, num_steps: int) -> int:
        """Network calls of a whole run."""
        ...


class _TwoLevels(NamedTuple):
    """A schedule of two levels, as a reverse variance takes it."""

    now: Level
    following: Level

    def _scale(self, name: str, t: Any) -> Array:
        return jnp.where(t == self.now.t, getattr(self.now, name), getattr(self.following, name))

    def alpha(self, t: Any) -> Array:
        return self._scale("alpha", t)

    def sigma(self, t: Any) -> Array:
        return self._scale("sigma", t)

    def log_snr(self, t: Any) -> Array:
        return self._scale("log_snr", t)

    def log_snr_rest(self, t: Any) -> Array:
        return self._scale("log_snr_rest", t)


class _OneCall:
    """A rule that carries nothing and calls the network once per step."""

    def init(self, x: Array) -> Any:
        return ()

    def num_calls(self, num_steps: int) -> int:
        return num_steps


@dataclass(frozen=True)
class _Ddim(_OneCall):
    eta: float

    @property
    def draws(self) -> int:
        return 0 if self.eta == 0 else 1

    def step(self, state, noise, estimate, x, now, following):
        x0, eps = estimate(x, now)
        share = lost(now, following)
        kept = root_kept(now, following) if self.eta == 1 else jnp.sqrt(1 - self.eta**2 * share)
        x = following.alpha * x0 + following.sigma * kept * eps
        # A standard deviation as such: the root of a variance of zero would have no gradient.
        return (x + self.eta * following.sigma * jnp.sqrt(share) * noise[0] if self.eta else x), state


@dataclass(frozen=True)
class _Ancestral(_OneCall):
    variance: ReverseVariance
    draws: int = 1

    def step(self, state, noise, estimate, x, now, following):
        x0, _ = estimate(x, now)
        if self.variance is posterior_variance:
            deviation = following.sigma * jnp.sqrt(lost(now, following))
        else:
            variance = self.variance(_TwoLevels(now, following), following.t, now.t)
            noisy = (following.sigma > 0) & (variance > 0)  # no noise on clean data
            deviation = jnp.where(noisy, jnp.sqrt(jnp.where(noisy, variance, 1.0)), 0.0)
        return posterior_mean(x0, x, now, following) + deviation * noise[0], state


@dataclass(frozen=True)
class _Heun:
    draws: int = 0

    def init(self, x: Array) -> tuple[()]:
        return ()

    def step(self, state, noise, estimate, x, now, following):
        x0, eps = estimate(x, now)
        euler = following.alpha * x0 + following.sigma * eps
        signal = now.alpha > 0

        def corrected(euler: Array) -> Array:
            x0_following, eps_following = estimate(euler, following)
            length = following.sigma - following.alpha * now.sigma / jnp.where(signal, now.alpha, 1.0)
            # From alpha = 0 sigma/alpha is infinite, and x/sigma runs along alpha/sigma instead.
            start = following.alpha * (x0_following - x0)
            return euler + jnp.where(signal, length * (eps_following - eps), start) / 2

        return jax.lax.cond(following.sigma > 0, corrected, lambda euler: euler, euler), state

    def num_calls(self, num_steps: int) -> int:
        return 2 * num_steps - 1


@dataclass(frozen=True)
class _DpmSolver2M(_OneCall):
    draws: int = 0

    def init(self, x: Array) -> tuple[Array, Array]:
        return jnp.zeros_like(x), jnp.full((), jnp.inf, x.dtype)

    def step(self, state, noise, estimate, x, now, following):
        x0, _ = estimate(x, now)
        before, h_before = state
        h = log_snr_gain(now, following) / 2
        finite = jnp.isfinite(h) & jnp.isfinite(h_before)
        share = jnp.where(finite, h / (2 * jnp.where(finite, h_before, 1.0)), 0.0)
        extrapolated = x0 + share * (x0 - before)
        x = following.sigma / now.sigma * x - following.alpha * jnp.expm1(-h) * extrapolated
        return x, (x0, h)


@dataclass(frozen=True)
class _EulerMaruyama(_OneCall):
    draws: int = 1

    def step(self, state, noise, estimate, x, now, following):
        x0, eps = estimate(x, now)
        share = lost(now, following)
        # The noise that the variance-exploding form adds between the two levels; unbounded at alpha = 0.
        started = (now.alpha > 0) & (following.sigma > 0)
        ratio = jnp.where(
            started, following.alpha * now.sigma / jnp.where(started, now.alpha, 1.0), following.sigma
        )
        deviation = ratio * jnp.sqrt(share)
        deviation = jnp.where(following.sigma > 0, deviation, 0.0)
        x = following.alpha * x0 + following.sigma * root_kept(now, following) * eps
        return x + deviation * noise[0], state


@dataclass(frozen=True)
class _PredictorCorrector:
    predictor: Sampler
    num_corrections: int
    step_size: float
    draws: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "draws", self.predictor.draws + self.num_corrections)

    def init(self, x: Array) -> Any:
        return self.predictor.init(x)

    def step(self, state, noise, estimate, x, now, following):
        draws = self.predictor.draws
        x, state = self.predictor.step(state, noise[:draws], estimate, x, now, following)

        def correct(x: Array) -> Array:
            score = lambda x: -estimate(x, following)[1] / following.sigma
            for k in range(self.num_corrections):
                size = self.step_size * following.sigma**2
                x = langevin_step(score, x, noise[draws + k], step_size=size)
            return x

        return jax.lax.cond(following.sigma > 0, correct, lambda x: x, x), state

    def num_calls(self, num_steps: int) -> int:
        return self.predictor.num_calls(num_steps) + self.num_corrections * (num_steps - 1)


def ancestral(variance: ReverseVariance = posterior_variance) -> Sampler:
    """Sampling of the reverse chain, as in DDPM.

    x_s = posterior mean of (x̂0, x_t) + √v z, none of it on the last step

    Args:
        variance: `(schedule, s, t) -> variance`: `posterior_variance`, `transition_variance`, or a learned one.

    Returns:
        The sampler, of one network call and one draw per step.

    Raises:
        TypeError: nothing.

    Source: Ho et al. (2020), algorithm 2.

    >>> ancestral().num_calls(50)
    50
    """
    return _Ancestral(variance)


def ddim(eta: int | float = 0.0) -> Sampler:
    """Implicit sampling; deterministic at η = 0, and the same map as `ancestral()` at η = 1.

    x_s = alpha_s x̂0 + √(sigma_s² − d²) ε̂ + d z, d = η sigma_s √(1 − SNR(t)/SNR(s))

    Args:
        eta: η, in [0, 1].

    Returns:
        The sampler, of one network call per step, and one draw where η is positive.

    Raises:
        ValueError: η is out of range.

    Source: Song, Meng and Ermon (2021), equations 12 and 16.

    >>> ddim().draws, ddim(0.5).draws
    (0, 1)
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1]; got {eta}")
    return _Ddim(float(eta))


def euler() -> Sampler:
    """Euler's rule for the probability-flow ODE in the variables that make it linear; the same map as `ddim(0)`.

    d(x/alpha)/d(sigma/alpha) = ε̂

    Returns:
        The sampler, of one network call per step and order 1.

    Raises:
        TypeError: nothing.

    Args: none.

    Source: Song, Meng and Ermon (2021), equation 14; Karras et al. (2022), algorithm 1.

    >>> euler() == ddim(0)
    True
    """
    return _Ddim(0.0)


def heun() -> Sampler:
    """Heun's rule for the same equation, of first order where the next sigma is 0.

    d(x/alpha)/d(sigma/alpha) = ε̂, by the mean of the slopes at both ends of a step; the step from alpha = 0, where
    sigma/alpha is infinite, takes the same equation as d(x/sigma)/d(alpha/sigma) = x̂0

    Returns:
        The sampler, of two network calls per step but one on the last, and order 2.

    Raises:
        TypeError: nothing.

    Args: none.

    Source: Karras et al. (2022), algorithm 1.

    >>> heun().num_calls(10)
    19
    """
    return _Heun()


def dpm_solver_pp_2m() -> Sampler:
    """The multistep solver DPM-Solver++ (2M), of first order on the first and on the last step.

    x_s = (sigma_s/sigma_t) x_t − alpha_s (exp(−h) − 1) D, D = x̂0 + h/(2 h′) (x̂0 − x̂0′), h half the gain of log SNR

    Returns:
        The sampler, of one network call per step and order 2.

    Raises:
        TypeError: nothing.

    Args: none.

    Source: Lu et al. (2022), algorithm 2.

    >>> dpm_solver_pp_2m().num_calls(10)
    10
    """
    return _DpmSolver2M()


def euler_maruyama() -> Sampler:
    """The Euler–Maruyama rule for the reverse SDE in y = x/alpha and τ = (sigma/alpha)², whose noise is additive.

    y ← y − (τ − τ′) ε̂/√τ + √(τ − τ′) z, none of it on the last step

    Returns:
        The sampler, of one network call and one draw per step.

    Raises:
        TypeError: nothing.

    Args: none.

    Source: Song et al. (2021), equation 6, in these variables.

    >>> euler_maruyama().draws
    1
    """
    return _EulerMaruyama()


def predictor_corrector(
    predictor: Sampler, *, num_corrections: int = 1, step_size: int | float = 0.05
) -> Sampler:
    """A sampler followed by Langevin steps at the level it has reached.

    x ← x + η s(x) + √(2η) z, η = δ sigma², at each level but the clean one

    Args:
        predictor: any sampler.
        num_corrections: Langevin steps per level.
        step_size: δ, positive.

    Returns:
        The sampler.

    Raises:
        TypeError: the count is no integer.
        ValueError: the count is below 1, or the step is not positive.

    Source: Song et al. (2021), algorithm 1.

    >>> predictor_corrector(euler_maruyama()).num_calls(10)
    19
    """
    check_count(num_corrections=num_corrections)
    if not step_size > 0:
        raise ValueError(f"step_size must be positive; got {step_size}")
    return _PredictorCorrector(predictor, int(num_corrections), float(step_size))
