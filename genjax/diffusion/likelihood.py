"""The likelihood of a diffusion model, by the density carried along its probability-flow ODE; and samples by it."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from genjax._checks import check_full_precision, check_key, check_not_nan
from genjax.densities import normal_log_prob
from genjax.diffusion.prediction import Prediction, converted
from genjax.transport import Integrated, carry, integrate

__all__ = ["log_prob", "sample_ode"]


def log_prob(
    key: PRNGKeyArray,
    predict: Callable[[Array, Any], Array],
    schedule: Any,
    x0: Float[Array, "*event"],
    *,
    prediction: Prediction = Prediction.NOISE,
    direction: Shaped[Array, "*event"] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_steps: int = 1000,
) -> Float[Array, ""]:
    """The log-density of an example, by the probability-flow ODE from data to noise.

    log p(x0) = log N(x_T; 0, sigma(T)² I) + ∫ ∇·v(x_t, t) dt, dx/dt = v = alpha′ x̂0 + sigma′ ε̂

    Exact for the model whose prior is that Gaussian, up to the solver's tolerance, with `direction` None; with one,
    an unbiased estimate of the divergence, whose spread over directions is its error. On schedules that start with
    noise (`variance_exploding`, `edm`, `log_snr_linear`) it is the density of data with that noise. Noise
    predictions have no value at alpha = 0, where `rectified()` ends: train DATA, V or VELOCITY there.

    Args:
        key: checked, and drawn from by nothing; the draws are in `direction`.
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: continuous.
        x0: an example, of any shape, float32 or float64.
        prediction: what the network predicts.
        direction: a Rademacher or normal draw of the shape of `x0` for Hutchinson's estimate, one for the whole
            solve.
        rtol: relative tolerance of the solver.
        atol: absolute tolerance of the solver.
        max_steps: where the solver gives up.

    Returns:
        Nats.

    Raises:
        TypeError: the key is not typed, `x0` is narrower than float32, or the schedule is discrete.
        ValueError: several keys, shapes differ, a NaN, or the solver gave up (NaN under `jit`).

    Source: Song et al. (2021), equation 39.

    >>> from genjax.diffusion import rectified
    >>> velocity = lambda x, t: (2 * t - 1) / (t**2 + (1 - t) ** 2) * x  # of N(0, 1) data
    >>> value = log_prob(jax.random.key(0), velocity, rectified(), jnp.zeros(1), prediction=Prediction.VELOCITY)
    >>> print(f"{value:.3f}")
    -0.919
    """
    check_key(key)
    start, end = _span(schedule)
    check_full_precision(x0=x0)
    check_not_nan(x0=x0)
    field = converted(predict, schedule, source=prediction, target=Prediction.VELOCITY)
    options = {"rtol": rtol, "atol": atol, "max_steps": max_steps}
    x_T, log_det, _ = carry(field, x0, start=start, end=end, direction=direction, **options)
    log_var = jnp.full_like(x_T, 2 * jnp.log(jnp.asarray(schedule.sigma(end), x_T.dtype)))
    return normal_log_prob(x_T, jnp.zeros_like(x_T), log_var) + log_det


def sample_ode(
    predict: Callable[[Array, Any], Array],
    schedule: Any,
    x_T: Float[Array, "*event"],
    *,
    prediction: Prediction = Prediction.NOISE,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_steps: int = 1000,
) -> Integrated:
    """Follow the probability-flow ODE from noise to data by a solver that chooses its steps.

    dx/dt = alpha′ x̂0 + sigma′ ε̂, from the schedule's end to its start

    Args:
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: continuous.
        x_T: the state at the schedule's end, as `prior_sample` draws it.
        prediction: what the network predicts.
        rtol: relative tolerance per step.
        atol: absolute tolerance per step.
        max_steps: where the solver gives up.

    Returns:
        `Integrated(x, num_calls)`.

    Raises:
        TypeError: `x_T` is narrower than float32, or the schedule is discrete.
        ValueError: shapes differ, a NaN, or the solver gave up (NaN under `jit`).

    Source: Song et al. (2021), equation 13.

    >>> from genjax.diffusion import rectified
    >>> velocity = lambda x, t: (2 * t - 1) / (t**2 + (1 - t) ** 2) * x  # of N(0, 1) data
    >>> x, num_calls = sample_ode(velocity, rectified(), jnp.ones(1), prediction=Prediction.VELOCITY)
    >>> print(x.round(3))
    [1.]
    """
    start, end = _span(schedule)
    check_full_precision(x_T=x_T)
    field = converted(predict, schedule, source=prediction, target=Prediction.VELOCITY)
    return integrate(field, x_T, start=end, end=start, rtol=rtol, atol=atol, max_steps=max_steps)


def _span(schedule: Any) -> tuple[Any, Any]:
    if not hasattr(schedule, "span"):
        raise TypeError(f"the ODE needs a continuous schedule; got {type(schedule).__name__}")
    return schedule.span
