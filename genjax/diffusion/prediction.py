"""What a network predicts: noise, data, v, score or velocity, each a line a·x0 + b·ε, one map to the next."""

import enum
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_same_shape, check_values
from genjax.diffusion.schedules import DiscreteSchedule

__all__ = ["Prediction", "convert", "converted", "estimates", "line", "refuse_no_signal"]


class Prediction(enum.Enum):
    """What a network says of x_t = alpha x0 + sigma ε; V and VELOCITY are two things.

    NOISE = ε; DATA = x0; V = alpha ε − sigma x0; SCORE = −ε/sigma; VELOCITY = alpha′ x0 + sigma′ ε

    Sources: V, Salimans and Ho (2022), appendix D; SCORE, Song and Ermon (2019), equation 5; VELOCITY, Lipman et al.
    (2023), equation 15.

    >>> Prediction.V.value
    'v'
    """

    NOISE = "noise"
    DATA = "data"
    V = "v"
    SCORE = "score"
    VELOCITY = "velocity"


def convert(
    schedule: Any,
    value: Float[Array, "*event"],
    x_t: Float[Array, "*event"],
    t: Any,
    *,
    source: Prediction,
    target: Prediction,
) -> Float[Array, "*event"]:
    """One prediction as another.

    (a, b) and (c, d) the lines of source and target: [(c b − d a) x_t + (alpha d − sigma c) value] / (alpha b −
    sigma a)

    Args:
        schedule: gives alpha and sigma.
        value: the prediction, of the shape of `x_t`.
        x_t: the noised example, of any shape.
        t: the time, a scalar.
        source: what `value` is.
        target: what is wanted.

    Returns:
        The other prediction, of the same shape. NaN or infinite where it cannot be told: data from the noise at
        alpha = 0.

    Raises:
        TypeError: an array is not floating point, or the time is of the wrong kind.
        ValueError: shapes differ, or VELOCITY on a discrete schedule, which has no derivative.

    Source: Salimans and Ho (2022), appendix D; Kingma and Gao (2023), appendix D.

    >>> from genjax.diffusion import rectified
    >>> x0, noise = jnp.array([1.0]), jnp.array([3.0])
    >>> velocity = convert(rectified(), noise, 0.5 * x0 + 0.5 * noise, 0.5, source=Prediction.NOISE,
    ...     target=Prediction.VELOCITY)
    >>> print(velocity)  # ε − x0
    [2.]
    """
    check_float(value=value, x_t=x_t)
    check_same_shape(value=value, x_t=x_t)
    _check_prediction(source)
    _check_prediction(target)
    if source is target:
        return value
    if {source, target} == {Prediction.NOISE, Prediction.SCORE}:  # parallel lines: x_t plays no part
        sigma = jnp.asarray(schedule.sigma(t), x_t.dtype)
        return -value / sigma if target is Prediction.SCORE else -value * sigma
    alpha, sigma = _scales(schedule, t, x_t.dtype)
    a, b = line(schedule, t, source, x_t.dtype)
    c, d = line(schedule, t, target, x_t.dtype)
    return ((c * b - d * a) * x_t + (alpha * d - sigma * c) * value) / (alpha * b - sigma * a)


def converted(
    predict: Callable[[Array, Any], Array], schedule: Any, *, source: Prediction, target: Prediction
) -> Callable[[Array, Any], Array]:
    """A network that predicts one thing as a network that predicts another.

    (x_t, t) ↦ convert(predict(x_t, t))

    Args:
        predict: `predict(x_t, t)`, of the shape of x_t.
        schedule: gives alpha and sigma.
        source: what it predicts.
        target: what is wanted.

    Returns:
        A function of `(x_t, t)`.

    Raises:
        ValueError: (when called) as `convert`.

    Source: as `convert`.

    >>> from genjax.diffusion import variance_preserving
    >>> score = lambda x, t: -x  # of N(0, I), at every t
    >>> data = converted(score, variance_preserving(), source=Prediction.SCORE, target=Prediction.DATA)
    >>> print(f"{data(jnp.array([1.0]), 0.2)[0]:.4f} {variance_preserving().alpha(0.2):.4f}")
    0.8114 0.8114
    """
    return lambda x_t, t: convert(schedule, predict(x_t, t), x_t, t, source=source, target=target)


def line(schedule: Any, t: Any, prediction: Prediction, dtype: Any) -> tuple[Array, Array]:
    """The coefficients a and b of a prediction a·x0 + b·ε."""
    _check_prediction(prediction)
    alpha, sigma = _scales(schedule, t, dtype)
    one, zero = jnp.ones((), dtype), jnp.zeros((), dtype)
    if prediction is Prediction.VELOCITY:
        if isinstance(schedule, DiscreteSchedule):
            raise ValueError(
                "VELOCITY needs the slopes of alpha and sigma: a discrete schedule has none; use V, DATA or NOISE"
            )
        t = jnp.asarray(t)
        slope = lambda fn: jnp.asarray(jax.jvp(fn, (t,), (jnp.ones_like(t),))[1], dtype)
        return slope(schedule.alpha), slope(schedule.sigma)
    return {
        Prediction.NOISE: (zero, one),
        Prediction.DATA: (one, zero),
        Prediction.V: (-sigma, alpha),
        Prediction.SCORE: (zero, -1 / sigma),
    }[prediction]


def _check_prediction(prediction: Any) -> None:
    if not isinstance(prediction, Prediction):
        names = ", ".join(f"Prediction.{kind.name}" for kind in Prediction)
        raise TypeError(f"a prediction is one of {names}; got {prediction!r}")


def _scales(schedule: Any, t: Any, dtype: Any) -> tuple[Array, Array]:
    return jnp.asarray(schedule.alpha(t), dtype), jnp.asarray(schedule.sigma(t), dtype)


def estimates(
    predict: Callable[[Array, Any], Array], schedule: Any, prediction: Prediction
) -> Callable[[Array, Any], tuple[Array, Array]]:
    """A network as `(x_t, t) -> (x0, ε)`, which is what a step of any sampler asks for."""

    def estimate(x_t: Array, t: Any) -> tuple[Array, Array]:
        value = predict(x_t, t)
        check_same_shape(x_t=x_t, **{"predict(x_t, t)": value})
        a, b = line(schedule, t, prediction, x_t.dtype)
        alpha, sigma = _scales(schedule, t, x_t.dtype)
        determinant = alpha * b - sigma * a
        return (b * x_t - sigma * value) / determinant, (alpha * value - a * x_t) / determinant

    return estimate


def refuse_no_signal(alpha: Array, prediction: Prediction) -> None:
    """Refuse predictions that say nothing of the data where there is no signal."""
    if prediction in (Prediction.NOISE, Prediction.SCORE):
        message = f"have a signal: {prediction.name} says nothing of the data there; use DATA, V or VELOCITY"
        check_values("alpha at the times", alpha, alpha > 0, message)
