"""The density carried along an ordinary differential equation, for every family that follows one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import (
    check_count,
    check_full_precision,
    check_not_nan,
    check_same_shape,
    check_scalar,
    check_values,
)

__all__ = ["carry", "divergence", "hutchinson_divergence"]

Velocity = Callable[[Array, Array], Array]


def divergence(velocity_fn: Velocity, x: Float[Array, "*event"], t: Float[Array, ""]) -> Float[Array, ""]:
    """The divergence of a velocity field, exactly.

    ∇·v(x, t) = Σ_i ∂v_i/∂x_i, at the cost of one directional derivative a dimension

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape of `x`.
        x: one event, of any shape.
        t: the time, a scalar.

    Returns:
        A scalar, in units of 1/time.

    Raises:
        ValueError: the velocity has another shape than `x`, or `t` is no scalar.

    Source: Chen et al. (2018), theorem 1.

    >>> print(f"{divergence(lambda x, t: t * x, jnp.ones(3), jnp.array(2.0)):.1f}")
    6.0
    """
    check_scalar("t", t)
    flat = lambda flat: jnp.ravel(_velocity(velocity_fn, jnp.reshape(flat, jnp.shape(x)), t))
    return jnp.trace(jax.jacfwd(flat)(jnp.ravel(x)))


def hutchinson_divergence(
    velocity_fn: Velocity, x: Float[Array, "*event"], t: Float[Array, ""], direction: Float[Array, "*event"]
) -> Float[Array, ""]:
    """An unbiased estimate of the divergence from one direction.

    eᵀ (∂v/∂x) e, whose mean over e with E[e eᵀ] = I is ∇·v

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape of `x`.
        x: one event, of any shape.
        t: the time, a scalar.
        direction: e, of the shape of `x`; Rademacher draws (±1) have the least variance.

    Returns:
        A scalar, in units of 1/time.

    Raises:
        ValueError: shapes differ, or `t` is no scalar.

    Source: Grathwohl et al. (2019), equation 7.

    >>> e = jnp.array([1.0, -1.0])
    >>> print(f"{hutchinson_divergence(lambda x, t: t * x, jnp.ones(2), jnp.array(2.0), e):.1f}")
    4.0
    """
    check_scalar("t", t)
    check_same_shape(x=x, direction=direction)
    _, derivative = jax.jvp(lambda x: _velocity(velocity_fn, x, t), (x,), (direction,))
    return jnp.sum(direction * derivative)


def carry(
    velocity_fn: Velocity,
    x: Float[Array, "*event"],
    *,
    start: float,
    end: float,
    direction: Float[Array, "*event"] | None = None,
    num_steps: int | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_steps: int = 1000,
) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
    """Carry one event along dx/dt = v(x, t), and with it the logarithm of the volume around it.

    x(end) = x + ∫ v dt,  log |det ∂x(end)/∂x| = ∫ ∇·v dt,  log p_end(x(end)) = log p_start(x) − log |det|

    `end` may lie before `start`. Gradients reach `x` and what `velocity_fn` holds, through the solver's own steps, in
    reverse mode (`jax.grad`, `jax.jacrev`).

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape of `x`.
        x: one event at time `start`, of any shape; float32 or float64.
        start: the time of `x`.
        end: the time to reach.
        direction: where given, the divergence is `hutchinson_divergence` along it, the same direction in all of this
            solve, so that the estimate is of one smooth field; else it is exact.
        num_steps: a fixed number of steps; by default the solver chooses them by its tolerances.
        rtol: relative tolerance a step, of events and log-determinant alike.
        atol: absolute tolerance a step.
        max_steps: where the solver gives up.

    Returns:
        The event at time `end` and the log-determinant.

    Raises:
        TypeError: `x` has less than 32 bits, or a count is no integer.
        ValueError: shapes differ, a NaN, or the solver gave up (NaN under `jit`).

    Source: Chen et al. (2018), equation 8; the solver is that of Tsitouras (2011).

    >>> x, log_det = carry(lambda x, t: -x, jnp.ones(2), start=0.0, end=1.0)
    >>> print(f"{x[0]:.4f} {log_det:.4f}")
    0.3679 -2.0000
    """
    import diffrax  # half a second, for those alone who solve an equation

    check_full_precision(x=x)
    check_not_nan(x=x)
    check_count(max_steps=max_steps)
    if direction is not None:
        check_same_shape(x=x, direction=direction)
    if num_steps is not None:
        check_count(num_steps=num_steps)

    def field(t: Any, state: Any, args: Any) -> tuple[Array, Array]:
        x, _ = state
        if direction is None:
            rate = divergence(velocity_fn, x, t)
        else:
            rate = hutchinson_divergence(velocity_fn, x, t, direction)
        return _velocity(velocity_fn, x, t), rate

    start_, end_ = jnp.asarray(start, x.dtype), jnp.asarray(end, x.dtype)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Tsit5(),
            start_,
            end_,
            None if num_steps is None else (end_ - start_) / num_steps,
            (x, jnp.zeros((), x.dtype)),
            stepsize_controller=(
                diffrax.PIDController(rtol=rtol, atol=atol)
                if num_steps is None
                else diffrax.ConstantStepSize()
            ),
            max_steps=max_steps if num_steps is None else num_steps + 1,
            throw=False,  # an error inside jit would need a callback, which no accelerator likes
        )
    assert solution.ys is not None
    reached = solution.result == diffrax.RESULTS.successful
    x_end, log_det = jax.tree.map(lambda leaf: leaf[0], solution.ys)
    check_values(
        "the solver", solution.stats["num_steps"], reached, f"reach t = {end} within {max_steps} steps"
    )
    nan = lambda leaf: jnp.where(reached, leaf, jnp.nan)
    return nan(x_end), nan(log_det)


def _velocity(velocity_fn: Velocity, x: Array, t: Array) -> Array:
    v = velocity_fn(x, t)
    check_same_shape(x=x, velocity=v)
    return v
