"""Guidance: two networks in, one out."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from genjax._checks import check_same_shape, check_scalar
from genjax.diffusion.prediction import Prediction, converted

__all__ = ["classifier_free_guidance", "classifier_guidance", "composed", "limited", "rescaled"]

Predict = Callable[[Array, Any], Array]


def classifier_free_guidance(conditional: Predict, unconditional: Predict, scale: Any) -> Predict:
    """A conditional network pushed away from the unconditional one.

    u + s (c − u): s = 0 is unconditional, s = 1 conditional, above 1 favours what the condition makes likelier

    Both predict one and the same thing, whatever that is. Papers that write (1 + w) c − w u have s = 1 + w.

    Args:
        conditional: c, `c(x_t, t)`.
        unconditional: u, `u(x_t, t)`.
        scale: s, a number or a scalar array.

    Returns:
        `predict(x_t, t)`.

    Raises:
        ValueError: (when called) shapes differ.

    Source: Ho and Salimans (2022), equation 6.

    >>> guided = classifier_free_guidance(lambda x, t: x + 1, lambda x, t: x, 2.0)
    >>> print(guided(jnp.zeros(1), 0.5))
    [2.]
    """

    def predict(x_t: Array, t: Any) -> Array:
        c, u = conditional(x_t, t), unconditional(x_t, t)
        check_same_shape(conditional=c, unconditional=u)
        return u + scale * (c - u)

    return predict


def classifier_guidance(
    predict: Predict,
    class_log_prob: Callable[[Array, Any], Array],
    scale: Any,
    *,
    schedule: Any = None,
    prediction: Prediction = Prediction.SCORE,
) -> Predict:
    """An unconditional network with the gradient of a classifier of noised examples.

    s(x_t) + w ∇ log p(y|x_t), the score of p(x_t) p(y|x_t)^w; other predictions are converted

    Args:
        predict: `predict(x_t, t)`, unconditional.
        class_log_prob: `class_log_prob(x_t, t) -> scalar`, log p(y|x_t) of the wanted class, of one example.
        scale: w, a number or a scalar array.
        schedule: gives alpha and sigma; needed for predictions other than SCORE.
        prediction: what `predict` predicts, and the guided one too.

    Returns:
        `predict(x_t, t)`.

    Raises:
        ValueError: another prediction without a schedule; (when called) the log-probability is no scalar.

    Source: Dhariwal and Nichol (2021), equations 11 and 14.

    >>> guided = classifier_guidance(lambda x, t: -x, lambda x, t: 3 * x[0], 2.0)
    >>> print(guided(jnp.ones(2), 0.5))
    [ 5. -1.]
    """
    if prediction is not Prediction.SCORE and schedule is None:
        raise ValueError(f"guidance of {prediction.name} needs the schedule; SCORE alone does without")

    def gradient(x_t: Array, t: Any) -> Array:
        def log_prob(x_t: Array) -> Array:
            value = class_log_prob(x_t, t)
            check_scalar("class_log_prob(x_t, t)", value)
            return value

        return jax.grad(log_prob)(x_t)

    if prediction is Prediction.SCORE:
        return lambda x_t, t: predict(x_t, t) + scale * gradient(x_t, t)
    score = converted(predict, schedule, source=prediction, target=Prediction.SCORE)
    guided = lambda x_t, t: score(x_t, t) + scale * gradient(x_t, t)
    return converted(guided, schedule, source=Prediction.SCORE, target=prediction)


def composed(unconditional: Predict, conditionals: Sequence[Predict], scales: Sequence[Any]) -> Predict:
    """Several conditions at once, as if each were independent of the others given x.

    u + Σ_i s_i (c_i − u)

    Args:
        unconditional: u, `u(x_t, t)`.
        conditionals: c_i, one for each condition.
        scales: s_i, as many.

    Returns:
        `predict(x_t, t)`.

    Raises:
        ValueError: numbers differ; (when called) shapes differ.

    Source: Liu et al. (2022), equation 11.

    >>> both = composed(lambda x, t: x, [lambda x, t: x + 1, lambda x, t: x - 3], [1.0, 1.0])
    >>> print(both(jnp.zeros(1), 0.5))
    [-2.]
    """
    if len(conditionals) != len(scales):
        raise ValueError(
            f"each condition has a scale: {len(conditionals)} conditionals, {len(scales)} scales"
        )

    def predict(x_t: Array, t: Any) -> Array:
        base = unconditional(x_t, t)
        total = base
        for conditional, scale in zip(conditionals, scales, strict=True):
            value = conditional(x_t, t)
            check_same_shape(conditional=value, unconditional=base)
            total = total + scale * (value - base)
        return total

    return predict


def limited(guided: Predict, plain: Predict, schedule: Any, *, low: float, high: float) -> Predict:
    """Guidance in an interval of noise levels alone: at high levels it costs diversity, at low ones it does little.

    guided where low ≤ sigma/alpha ≤ high, plain elsewhere

    Args:
        guided: `guided(x_t, t)`.
        plain: `plain(x_t, t)`, such as the conditional network.
        schedule: gives log SNR.
        low: the least level.
        high: the largest level.

    Returns:
        `predict(x_t, t)`. Both are called; a run pays for either.

    Raises:
        ValueError: the interval is empty.

    Source: Kynkäänniemi et al. (2024), equation 5.

    >>> from genjax.diffusion import edm
    >>> fn = limited(lambda x, t: 2 * x, lambda x, t: x, edm(), low=0.1, high=1.0)
    >>> print(fn(jnp.ones(1), 0.5), fn(jnp.ones(1), 5.0))
    [2.] [1.]
    """
    if not low < high:
        raise ValueError(f"low must lie below high; got {low} and {high}")

    def predict(x_t: Array, t: Any) -> Array:
        ratio = jnp.exp(-schedule.log_snr(t) / 2)
        inside = (ratio >= low) & (ratio <= high)
        return jnp.where(inside, guided(x_t, t), plain(x_t, t))

    return predict


def rescaled(guided: Predict, conditional: Predict, share: float) -> Predict:
    """A guided prediction brought back to the spread of the conditional one, against burnt-out samples.

    φ g std(c)/std(g) + (1 − φ) g, standard deviations over the event

    Args:
        guided: g, `g(x_t, t)`.
        conditional: c, `c(x_t, t)`.
        share: φ, in [0, 1].

    Returns:
        `predict(x_t, t)`.

    Raises:
        ValueError: the share is out of range; (when called) shapes differ.

    Source: Lin et al. (2024), equations 14 to 16.

    >>> back = rescaled(lambda x, t: 4 * x, lambda x, t: x, 1.0)
    >>> print(back(jnp.array([1.0, -1.0]), 0.5))
    [ 1. -1.]
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1]; got {share}")

    def predict(x_t: Array, t: Any) -> Array:
        g, c = guided(x_t, t), conditional(x_t, t)
        check_same_shape(guided=g, conditional=c)
        spread = jnp.std(g)
        varied = spread > 0
        factor = jnp.where(varied, jnp.std(c) / jnp.where(varied, spread, 1.0), 1.0)
        return (share * factor + (1 - share)) * g

    return predict
