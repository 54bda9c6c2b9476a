"""The variational bound of a discrete chain as a sum of KL divergences, and its limit of many steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_float, check_key, check_not_nan, check_same_shape
from genjax.densities import normal_log_prob
from genjax.diffusion.prediction import Prediction, estimates, refuse_no_signal
from genjax.diffusion.process import add_noise, level, posterior_mean, posterior_variance, transition_variance
from genjax.diffusion.schedules import DiscreteSchedule
from genjax.diffusion.weighting import likelihood_weight
from genjax.divergences import kl_normal, kl_standard_normal

__all__ = [
    "BoundTerms",
    "continuous_bound_error",
    "hybrid_error",
    "interpolated_variance",
    "variational_bound",
]

LogLikelihood = Callable[[Array, Array, Array], Array]
ReverseVariance = Callable[[Any, Any, Any], Array]


class BoundTerms(NamedTuple):
    """The bound on −log p(x0) and its parts, costs in nats.

    Args:
        prior: KL(q(x_T|x0) ‖ N(0, I)).
        diffusion: Σ_{t=2..T} KL(q(x_{t−1}|x_t, x0) ‖ p(x_{t−1}|x_t)), or an estimate of it.
        reconstruction: −log p(x0|x_1).

    >>> print(BoundTerms(jnp.array(0.1), jnp.array(2.0), jnp.array(0.4)).total)
    2.5
    """

    prior: Array
    diffusion: Array
    reconstruction: Array

    @property
    def total(self) -> Array:
        """An upper bound on −log p(x0), in expectation over the noise."""
        return self.prior + self.diffusion + self.reconstruction


def variational_bound(
    key: PRNGKeyArray,
    predict: Callable[[Array, Any], Array],
    schedule: DiscreteSchedule,
    x0: Float[Array, "*event"],
    *,
    prediction: Prediction = Prediction.NOISE,
    reverse_variance: ReverseVariance = transition_variance,
    log_likelihood: LogLikelihood | None = None,
    num_times: int | None = None,
) -> BoundTerms:
    """The variational bound of a chain of T steps: the negative ELBO of a latent variable for every time.

    −log p(x0) ≤ KL(q(x_T|x0) ‖ p(x_T)) + Σ_{t=2..T} KL(q(x_{t−1}|x_t, x0) ‖ p(x_{t−1}|x_t)) − log p(x0|x_1),
    each KL of two Gaussians in closed form, p(x_{t−1}|x_t) with the posterior's mean at x̂0 and variance v

    Args:
        key: of the noise of every time, and of the times where they are drawn.
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: discrete, of T ≥ 2 steps.
        x0: clean data, of any shape.
        prediction: what the network predicts.
        reverse_variance: v as `(schedule, s, t) -> variance`: `transition_variance` (beta_t), `posterior_variance`,
            or a learned one of the same signature, scalar or of the event's shape.
        log_likelihood: `log_likelihood(x0, mean, log_var) -> scalar`, log p(x0|x_1) of discrete data, such as
            `genjax.densities.discretized_normal_log_prob`; by default the density N(x0; x̂0(x_1), sigma_1² I).
        num_times: how many times to draw from 2..T, whose mean is multiplied by T − 1; by default all are summed, in
            T network calls.

    Returns:
        `BoundTerms(prior, diffusion, reconstruction)`.

    Raises:
        TypeError: the key is not typed, an array is not floating point, or the schedule is continuous.
        ValueError: shapes differ, a NaN, or the count is below 1.

    Source: Ho et al. (2020), equations 5 and 8.

    >>> from genjax.diffusion import linear_schedule
    >>> schedule = linear_schedule(100)
    >>> normal = lambda x, t: schedule.sigma(t) * x
    >>> terms = variational_bound(jax.random.key(0), normal, schedule, jnp.zeros(1))
    >>> print(f"{terms.prior:.4f} {terms.total - terms.prior - terms.diffusion - terms.reconstruction:.1f}")
    0.0000 0.0
    """
    check_key(key)
    check_float(x0=x0)
    check_not_nan(x0=x0)
    _check_discrete(schedule)
    last = level(schedule, schedule.num_steps, x0.dtype)
    refuse_no_signal(last.alpha, prediction)
    estimate = estimates(predict, schedule, prediction)
    key_terms, key_times, key_first = jax.random.split(key, 3)

    def noised(key: PRNGKeyArray, t: Any) -> tuple[Array, Array]:
        x_t = add_noise(schedule, x0, t, jax.random.normal(key, x0.shape, x0.dtype))
        return x_t, estimate(x_t, t)[0]

    def term(t: Array) -> Array:
        x_t, x0_hat = noised(jax.random.fold_in(key_terms, t), t)
        return _kl_of_step(schedule, x0, x0_hat, x_t, t, reverse_variance)

    count = schedule.num_steps - 1  # none at T = 1, where the bound is the ELBO of a VAE with a fixed encoder
    # log sigma² of alpha² + sigma² = 1 by log SNR: sigma itself is 1 but for a few last digits.
    log_var_T = jax.nn.log_sigmoid(-last.log_snr)
    prior = kl_standard_normal(last.alpha * x0, jnp.full_like(x0, log_var_T))
    if num_times is not None:
        check_count(num_times=num_times)
    if num_times is None or count == 0:
        diffusion = jnp.sum(jax.lax.map(term, jnp.arange(2, schedule.num_steps + 1)))
    else:
        drawn = jax.random.randint(key_times, (int(num_times),), 2, schedule.num_steps + 1, jnp.int32)
        diffusion = count * jnp.mean(jax.lax.map(term, drawn))
    _, mean = noised(key_first, jnp.asarray(1))
    log_var = jnp.full_like(x0, 2 * jnp.log(jnp.asarray(schedule.sigma(1), x0.dtype)))
    decoder = normal_log_prob if log_likelihood is None else log_likelihood
    return BoundTerms(prior, diffusion, -decoder(x0, mean, log_var))


def _check_discrete(schedule: Any) -> None:
    if not isinstance(schedule, DiscreteSchedule):
        raise TypeError(f"the bound is of a discrete schedule; got {type(schedule).__name__}")


def _kl_of_step(
    schedule: DiscreteSchedule,
    x0: Array,
    x0_hat: Array,
    x_t: Array,
    t: Any,
    reverse_variance: ReverseVariance,
) -> Array:
    """KL(q(x_{t−1}|x_t, x0) ‖ p(x_{t−1}|x_t)) for t ≥ 2."""
    now, earlier = level(schedule, t, x0.dtype), level(schedule, t - 1, x0.dtype)
    log_var = lambda v: jnp.broadcast_to(jnp.log(jnp.asarray(v, x0.dtype)), x0.shape)
    true, model = (posterior_mean(x, x_t, now, earlier) for x in (x0, x0_hat))
    variance = reverse_variance(schedule, t - 1, t)
    return kl_normal(true, log_var(posterior_variance(schedule, t - 1, t)), model, log_var(variance))


def interpolated_variance(share: Float[Array, "..."] | float) -> ReverseVariance:
    """A learned reverse variance between the two extremes, as the share that a network gives.

    log v = share · log beta_t + (1 − share) · log beta~_t, beta_t the transition's variance, beta~_t the posterior's

    At t = 1, where the posterior's variance is 0, that of t = 2 stands in its place.

    Args:
        share: the network's output, a scalar or of the event's shape; in [0, 1] between the extremes, and free
            beyond them.

    Returns:
        `(schedule, s, t) -> variance`, for `hybrid_error` and `variational_bound`.

    Raises:
        TypeError: the share is an array that is not floating point.
        ValueError: (when called) a time lies outside the schedule.

    Source: Nichol and Dhariwal (2021), equation 15.

    >>> from genjax.diffusion import linear_schedule
    >>> schedule = linear_schedule()
    >>> between = interpolated_variance(0.5)(schedule, 1, 2)
    >>> print(bool(posterior_variance(schedule, 1, 2) < between < transition_variance(schedule, 1, 2)))
    True
    """
    if hasattr(share, "dtype"):
        check_float(share=share)

    def variance(schedule: Any, s: Any, t: Any) -> Array:
        s, t = jnp.asarray(s), jnp.asarray(t)
        least = jnp.log(posterior_variance(schedule, jnp.maximum(s, 1), jnp.maximum(t, 2)))
        largest = jnp.log(transition_variance(schedule, s, t))
        dtype = getattr(share, "dtype", largest.dtype)
        least, largest = least.astype(dtype), largest.astype(dtype)
        return jnp.exp(share * largest + (1 - share) * least)

    return variance


def hybrid_error(
    noise_fn: Callable[[Array, Any], Array],
    schedule: DiscreteSchedule,
    x0: Float[Array, "*event"],
    t: Any,
    noise: Float[Array, "*event"],
    *,
    reverse_variance: ReverseVariance,
    weight: float = 0.001,
    log_likelihood: LogLikelihood | None = None,
) -> Float[Array, ""]:
    """The denoising error with the bound's term beside it, which alone teaches the variance.

    ‖ε − ε_θ(x_t, t)‖² + λ T · L_t, L_t the bound's term of time t with its mean under stop-gradient

    L_t is KL(q(x_{t−1}|x_t, x0) ‖ p(x_{t−1}|x_t)) for t ≥ 2 and −log p(x0|x_1) at t = 1, both with the variance v.
    With t uniform on 1..T the mean of T · L_t is the bound without its prior term.

    Args:
        noise_fn: `noise_fn(x_t, t)`, the predicted ε, of the shape of x_t.
        schedule: discrete, of T steps.
        x0: clean data, of any shape.
        t: the time, an integer scalar in 1..T.
        noise: ε, a standard normal draw, of the shape of `x0`.
        reverse_variance: v as `(schedule, s, t) -> variance`, a scalar or of the event's shape; a network's output
            reaches it by closure, as in `interpolated_variance(share)`.
        weight: λ.
        log_likelihood: `log_likelihood(x0, mean, log_var) -> scalar` of discrete data at t = 1; by default
            N(x0; x̂0(x_1), v).

    Returns:
        The error, summed over the event.

    Raises:
        TypeError: an array is not floating point, or the schedule is continuous.
        ValueError: shapes differ, a NaN, or alpha is 0 at `t`.

    Source: Nichol and Dhariwal (2021), equation 16.

    >>> from genjax.diffusion import linear_schedule
    >>> x0, noise, schedule = jnp.array([0.5]), jnp.array([1.0]), linear_schedule(50)
    >>> loss = lambda share: hybrid_error(
    ...     lambda x, t: noise, schedule, x0, 3, noise, reverse_variance=interpolated_variance(share), weight=1.0)
    >>> print(f"{loss(0.0):.3f} {loss(1.0):.3f}")  # the mean is right; so is the posterior's variance
    0.000 7.843
    """
    _check_discrete(schedule)
    t = jnp.asarray(t)
    x_t = add_noise(schedule, x0, t, noise)
    value = noise_fn(x_t, t)
    check_same_shape(noise=noise, **{"noise_fn(x_t, t)": value})
    now = level(schedule, t, x0.dtype)
    refuse_no_signal(now.alpha, Prediction.NOISE)
    x0_hat = (x_t - now.sigma * jax.lax.stop_gradient(value)) / now.alpha
    kl = _kl_of_step(schedule, x0, x0_hat, x_t, jnp.maximum(t, 2), reverse_variance)
    variance = jnp.asarray(reverse_variance(schedule, t - 1, t), x0.dtype)
    decoder = normal_log_prob if log_likelihood is None else log_likelihood
    first = -decoder(x0, x0_hat, jnp.broadcast_to(jnp.log(variance), x0.shape))
    return jnp.sum((noise - value) ** 2) + weight * schedule.num_steps * jnp.where(t == 1, first, kl)


def continuous_bound_error(
    noise_fn: Callable[[Array, Any], Array],
    schedule: Any,
    x0: Float[Array, "*event"],
    t: Float[Array, ""] | float,
    noise: Float[Array, "*event"],
) -> Float[Array, ""]:
    """The integrand of the variational bound with infinitely many steps; t is drawn uniformly from (0, 1).

    −½ (d log SNR/dt) ‖ε − ε_θ(x_t, t)‖²

    Its mean over t and ε is the diffusion term of the bound, whatever the schedule between its ends. The prior and
    the reconstruction are those of the ends.

    Args:
        noise_fn: `noise_fn(x_t, t)`, the predicted ε, of the shape of x_t.
        schedule: continuous, on [0, 1].
        x0: clean data, of any shape.
        t: the time, a scalar.
        noise: ε, a standard normal draw, of the shape of `x0`.

    Returns:
        Nats, summed over the event.

    Raises:
        TypeError: an array is not floating point, or the time is of the wrong kind.
        ValueError: shapes differ, or a NaN.

    Source: Kingma et al. (2021), equation 17.

    >>> from genjax.diffusion import log_snr_linear
    >>> zero = lambda x, t: jnp.zeros_like(x)
    >>> print(continuous_bound_error(zero, log_snr_linear(5.0, -5.0), jnp.zeros(1), 0.5, jnp.ones(1)))
    5.0
    """
    value = noise_fn(add_noise(schedule, x0, t, noise), t)
    check_same_shape(noise=noise, **{"noise_fn(x_t, t)": value})
    return jnp.asarray(likelihood_weight(schedule, t), x0.dtype) * jnp.sum((noise - value) ** 2)
