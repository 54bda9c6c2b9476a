"""Penalties on the slope of a critic at one point."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_scalar

__all__ = ["gradient_penalty", "squared_gradient_norm"]

Critic = Callable[[Array], Array]


def gradient_penalty(
    critic: Critic, x: Float[Array, "*event"], *, target: int | float = 1.0, one_sided: bool = False
) -> Float[Array, ""]:
    """How far the slope of a critic is from a target, at one point of any origin.

    penalty = (‖∇c(x)‖ − t)², or max(0, ‖∇c(x)‖ − t)² if one-sided; the norm is over the whole event

    WGAN-GP takes x between a real and a generated example, x = u x_real + (1 − u) x_fake with u uniform on [0, 1]:
    draw it outside. DRAGAN takes it near real examples. No constant and no weight is in it; WGAN-GP's is 10. Where
    the gradient is zero the norm has no derivative, and the penalty passes none on.

    Args:
        critic: `critic(x) -> scalar`, the raw logit.
        x: one point.
        target: t, not negative; 0 is the penalty of `squared_gradient_norm`.
        one_sided: punish slopes above the target alone.

    Returns:
        The penalty, in squared logits per unit of x.

    Raises:
        TypeError: `x` or the logit is not floating point.
        ValueError: the logit is not a scalar, `x` is NaN, or the target is negative.

    Source: Gulrajani et al. (2017), equation 3; one-sided: Petzka et al. (2018), equation 8.

    >>> line = lambda x: jnp.array([3.0, 4.0]) @ x
    >>> print(gradient_penalty(line, jnp.zeros(2)), gradient_penalty(line, jnp.zeros(2), target=6.0, one_sided=True))
    16.0 0.0
    """
    if not target >= 0:
        raise ValueError(f"target must not be negative; got {target}")
    gradient = _gradient(critic, x)
    # Over its largest entry, so that no square overflows; and 1 in place of a zero, where √ has no derivative.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(gradient), initial=0.0))
    sloped = largest > 0
    scale = jnp.where(sloped, largest, 1.0)
    square = jnp.sum((gradient / scale) ** 2)
    norm = jnp.where(sloped, scale * jnp.sqrt(jnp.where(sloped, square, 1.0)), 0.0)
    excess = norm - target
    return jax.nn.relu(excess) ** 2 if one_sided else excess**2


def squared_gradient_norm(critic: Critic, x: Float[Array, "*event"]) -> Float[Array, ""]:
    """The squared slope of a critic at one point: R1 at a real example, R2 at a generated one.

    ‖∇c(x)‖², of the raw logit and without the weight γ/2 of the paper

    Of the logit and not of the probability, whose slope vanishes wherever the discriminator is sure.

    Args:
        critic: `critic(x) -> scalar`, the raw logit.
        x: one point.

    Returns:
        The squared norm, summed over the event, in squared logits per unit of x.

    Raises:
        TypeError: `x` or the logit is not floating point.
        ValueError: the logit is not a scalar, or `x` is NaN.

    Source: Mescheder et al. (2018), equations 9 and 10.

    >>> print(squared_gradient_norm(lambda x: jnp.array([3.0, 4.0]) @ x, jnp.zeros(2)))
    25.0
    """
    return jnp.sum(_gradient(critic, x) ** 2)


def _gradient(critic: Critic, x: Array) -> Array:
    check_float(x=x)
    check_not_nan(x=x)

    def logit(x: Array) -> Array:
        value = critic(x)
        check_scalar("critic(x)", value)
        check_float(**{"critic(x)": value})
        return value

    return jax.grad(logit)(x)
