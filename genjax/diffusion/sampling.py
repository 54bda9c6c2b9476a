"""One scan over the levels of a schedule, for any sampler; and the same levels upwards, from data to noise."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_float, check_keeps_dtype, check_key, check_not_nan, check_values
from genjax.diffusion.prediction import Prediction, convert, estimates, refuse_no_signal
from genjax.diffusion.process import Level, level
from genjax.diffusion.steps import Sampler

__all__ = ["invert", "sample"]

CHUNK = 100
"""Steps whose noise is drawn at a time."""


def sample(
    key: PRNGKeyArray,
    predict: Callable[[Array, Any], Array],
    schedule: Any,
    x_T: Float[Array, "*event"],
    *,
    num_steps: int | None = None,
    times: Array | None = None,
    sampler: Sampler,
    prediction: Prediction = Prediction.NOISE,
    return_trajectory: bool = False,
) -> Float[Array, "..."]:
    """Follow a schedule from noise to data.

    One step of the sampler from each time to the next, and from the last to clean data: alpha = 1, sigma = 0

    Args:
        key: one key; deterministic samplers leave it unused.
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: any.
        x_T: the state at `times[0]`, of any shape: `prior_sample` at the schedule's end, `add_noise` of an example in
            the middle.
        num_steps: n, for the schedule's own n times.
        times: the times at which the network is called instead, strictly decreasing, `[n]`.
        sampler: the rule of a step, such as `ddim()`.
        prediction: what the network predicts.
        return_trajectory: return all states, x_T first.

    Returns:
        The sample, of the shape of `x_T`, or the n + 1 states, `[n + 1, *event]`.

    Raises:
        TypeError: the key is not typed, an array or a time is of the wrong kind, the network's dtype is wider than
            that of `x_T`, or the count is no integer.
        ValueError: neither `num_steps` nor `times` is given or they disagree; times do not decrease, leave the
            schedule or include clean data; NOISE or SCORE at alpha = 0; the network's shape; a NaN on the way, whose
            step is named (NaN under `jit`).

    Source: Ho et al. (2020), algorithm 2; Song et al. (2021), algorithm 1.

    >>> from genjax.diffusion import ddim, linear_schedule
    >>> schedule = linear_schedule()
    >>> point = lambda x, t: (x - schedule.alpha(t) * 3.0) / schedule.sigma(t)  # all data at 3
    >>> print(sample(jax.random.key(0), point, schedule, jnp.array([0.5]), num_steps=10, sampler=ddim()).round(2))
    [3.]
    """
    check_key(key)
    check_float(x_T=x_T)
    check_not_nan(x_T=x_T)
    times = _checked_times(schedule, num_steps, times)
    levels = jax.vmap(lambda t: level(schedule, t, x_T.dtype))(times)
    _refuse_clean(levels)
    refuse_no_signal(levels.alpha, prediction)
    estimate_at = estimates(predict, schedule, prediction)
    following = jax.tree.map(lambda a, end: jnp.concatenate([a[1:], end[None]]), levels, _clean(levels))

    def estimate(x: Array, at: Level) -> tuple[Array, Array]:
        data, eps = estimate_at(x, at.t)
        check_keeps_dtype(x, **{"predict(x_t, t)": data})
        return data, eps

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        x, state = carry
        noise, now, after = inputs
        x, state = sampler.step(state, noise, estimate, x, now, after)
        return (x, state), (x if return_trajectory else jnp.any(jnp.isnan(x)))

    def chunk(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        number, now, after = inputs
        length = len(now.t)
        noise = jnp.zeros((length, 0))
        if sampler.draws:  # many at a time, which costs a third less than a draw in every step
            shape = (length, sampler.draws, *x_T.shape)
            noise = jax.random.normal(jax.random.fold_in(key, number), shape, x_T.dtype)
        return jax.lax.scan(step, carry, (noise, now, after))

    n = len(times)
    whole = n // CHUNK
    carry, outputs = (x_T, sampler.init(x_T)), []
    if whole:
        parts = jax.tree.map(
            lambda a: a[: whole * CHUNK].reshape(whole, CHUNK, *a.shape[1:]), (levels, following)
        )
        carry, out = jax.lax.scan(chunk, carry, (jnp.arange(whole), *parts))
        outputs.append(out.reshape(whole * CHUNK, *out.shape[2:]))
    if n % CHUNK:
        rest = jax.tree.map(lambda a: a[whole * CHUNK :], (levels, following))
        carry, out = chunk(carry, (jnp.asarray(whole), *rest))
        outputs.append(out)
    outputs = jnp.concatenate(outputs)
    lost = jnp.any(jnp.isnan(outputs), tuple(range(1, outputs.ndim))) if return_trajectory else outputs
    check_values("step", jnp.arange(1, n + 1), ~lost, "leave a number: the network or the step gave NaN")
    return jnp.concatenate([x_T[None], outputs]) if return_trajectory else carry[0]


def invert(
    predict: Callable[[Array, Any], Array],
    schedule: Any,
    x0: Float[Array, "*event"],
    *,
    num_steps: int | None = None,
    times: Array | None = None,
    prediction: Prediction = Prediction.NOISE,
) -> Float[Array, "*event"]:
    """The noise that deterministic DDIM would lead to an example, by the same levels taken upwards.

    x_{t′} = alpha_{t′} x̂0 + sigma_{t′} ε̂, ε̂ of the network at the state below and the time t′ above

    Each time is met once, the last of `times` first. An approximation: the state above, where ε̂ would have to be
    taken, is not known yet. Its error falls with the number of steps.

    Args:
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: any.
        x0: clean data, of any shape.
        num_steps: n, for the schedule's own n times.
        times: decreasing times instead, `[n]`.
        prediction: what the network predicts.

    Returns:
        The state at `times[0]`, of the shape of `x0`.

    Raises:
        TypeError: an array or a time is of the wrong kind, the network's dtype is wider than that of `x0`, or the
            count is no integer.
        ValueError: as `sample`.

    Source: Song, Meng and Ermon (2021), section 4.3.

    >>> from genjax.diffusion import linear_schedule
    >>> schedule = linear_schedule()
    >>> normal = lambda x, t: schedule.sigma(t) * x  # of N(0, 1) data, which the flow leaves where they are
    >>> print(invert(normal, schedule, jnp.array([1.0]), num_steps=500).round(1))
    [1.]
    """
    check_float(x0=x0)
    check_not_nan(x0=x0)
    times = _checked_times(schedule, num_steps, times)
    levels = jax.vmap(lambda t: level(schedule, t, x0.dtype))(times)
    _refuse_clean(levels)
    refuse_no_signal(levels.alpha, prediction)
    upwards = jax.tree.map(lambda a: a[::-1], levels)
    below = jax.tree.map(lambda end, a: jnp.concatenate([end[None], a[:-1]]), _clean(levels), upwards)

    def step(x: Array, pair: tuple[Level, Level]) -> tuple[Array, None]:
        now, above = pair
        value = predict(x, above.t)
        check_keeps_dtype(x, **{"predict(x_t, t)": value})
        eps = convert(schedule, value, x, above.t, source=prediction, target=Prediction.NOISE)
        data = (x - now.sigma * eps) / now.alpha
        return above.alpha * data + above.sigma * eps, None

    x, _ = jax.lax.scan(step, x0, (below, upwards))
    check_values("the inverted state", x, ~jnp.isnan(x), "be a number")
    return x


def _checked_times(schedule: Any, num_steps: int | None, times: Array | None) -> Array:
    if times is None:
        if num_steps is None:
            raise ValueError("sampling needs num_steps or times; got neither")
        check_count(num_steps=num_steps)
        return schedule.times(int(num_steps))
    times = jnp.asarray(times)
    if times.ndim != 1 or len(times) == 0:
        raise ValueError(f"times must be [n] with at least one time; got shape {times.shape}")
    if num_steps is not None and num_steps != len(times):
        raise ValueError(f"num_steps and times disagree: {num_steps} steps, {len(times)} times")
    falling = jnp.concatenate([jnp.array([True]), times[1:] < times[:-1]])
    check_values("times", times, falling, "decrease strictly")
    if not isinstance(times, Tracer):
        for t in np.asarray(times)[[0, -1]]:
            schedule.alpha(jnp.asarray(t, times.dtype))  # which names a time outside the schedule
    return times


def _refuse_clean(levels: Level) -> None:
    message = (
        "have noise: no network is called at clean data, where the step after the last time lands by itself"
    )
    check_values("sigma at the times", levels.sigma, levels.sigma > 0, message)


def _clean(levels: Level) -> Level:
    """The level after the last one."""
    one = jnp.ones((), levels.alpha.dtype)
    return Level(jnp.zeros((), levels.t.dtype), one, 0 * one, jnp.inf * one, 0 * one)
