"""Events and densities carried along an ordinary differential equation, for every family that follows one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from genjax._checks import (
    check_count,
    check_float,
    check_full_precision,
    check_not_nan,
    check_same_shape,
    check_scalar,
    check_values,
)

__all__ = ["Carried", "Integrated", "carry", "divergence", "hutchinson_divergence", "integrate"]

Velocity = Callable[[Array, Array], Array]
T = TypeVar("T")


class Carried(NamedTuple):
    """One event carried along an equation, and the logarithm of the volume around it.

    Args:
        x: the event at the end, of its own shape.
        log_det: log |det ∂x(end)/∂x(start)|, a scalar.
        num_calls: how often the solve evaluated the velocity, an int32 scalar.

    >>> x, log_det = Carried(jnp.ones(2), jnp.array(0.5), jnp.array(25))[:2]
    >>> print(log_det)
    0.5
    """

    x: Array
    log_det: Array
    num_calls: Array


class Integrated(NamedTuple):
    """One event carried along an equation.

    Args:
        x: the event at the end, of its own shape, or at each saved time, `[k, *event]`.
        num_calls: how often the solve evaluated the velocity, an int32 scalar.

    >>> print(Integrated(x=jnp.ones(2), num_calls=jnp.array(25)).num_calls)
    25
    """

    x: Array
    num_calls: Array


def divergence(velocity_fn: Velocity, x: Float[Array, "*event"], t: Float[Array, ""]) -> Float[Array, ""]:
    """The divergence of a velocity field, exactly.

    ∇·v(x, t) = Σ_i ∂v_i/∂x_i, at the cost of one directional derivative per dimension

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape of `x`.
        x: one event, of any shape.
        t: the time, a scalar.

    Returns:
        A scalar, in units of 1/time.

    Raises:
        TypeError: `x` is not floating point.
        ValueError: the velocity has another shape than `x`, or `t` is no scalar.

    Source: Chen et al. (2018), theorem 1.

    >>> print(f"{divergence(lambda x, t: t * x, jnp.ones(3), jnp.array(2.0)):.1f}")
    6.0
    """
    check_float(x=x)
    check_scalar("t", t)
    return _with_divergence(velocity_fn, x, t)[1]


def hutchinson_divergence(
    velocity_fn: Velocity, x: Float[Array, "*event"], t: Float[Array, ""], direction: Shaped[Array, "*event"]
) -> Float[Array, ""]:
    """An unbiased estimate of the divergence from one direction.

    eᵀ (∂v/∂x) e, whose mean over e with E[e eᵀ] = I is ∇·v

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape of `x`.
        x: one event, of any shape.
        t: the time, a scalar.
        direction: e, of the shape of `x`; Rademacher draws (±1) have the least variance. Integers are cast to the
            dtype of `x`, and so are other precisions.

    Returns:
        A scalar, in units of 1/time.

    Raises:
        TypeError: `x` is not floating point, or the direction is neither integer nor floating point.
        ValueError: shapes differ, or `t` is no scalar.

    Source: Grathwohl et al. (2019), equation 7.

    >>> e = jnp.array([1.0, -1.0])
    >>> print(f"{hutchinson_divergence(lambda x, t: t * x, jnp.ones(2), jnp.array(2.0), e):.1f}")
    4.0
    """
    check_float(x=x)
    check_scalar("t", t)
    return _with_hutchinson(velocity_fn, x, t, _probe(x, direction))[1]


def carry(
    velocity_fn: Velocity,
    x: Float[Array, "*event"],
    *,
    start: float,
    end: float,
    direction: Shaped[Array, "*event"] | None = None,
    num_steps: int | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_steps: int = 1000,
) -> Carried:
    """Carry one event along dx/dt = v(x, t), and with it the logarithm of the volume around it.

    x(end) = x + ∫ v dt,  log |det ∂x(end)/∂x| = ∫ ∇·v dt,  log p_end(x(end)) = log p_start(x) − log |det|

    `end` may lie before `start`. Gradients reach `x` and what `velocity_fn` holds, through the solver's own steps, in
    reverse mode (`jax.grad`, `jax.jacrev`). Where only the event is wanted, `integrate` saves the divergence.

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape and dtype of `x`.
        x: one event at time `start`, of any shape; float32 or float64.
        start: the time of `x`.
        end: the time to reach.
        direction: where given, the divergence is `hutchinson_divergence` along it, the same direction in all of this
            solve, so that the estimate is of one smooth field; else it is exact.
        num_steps: a fixed number of steps; by default the solver chooses them by its tolerances.
        rtol: relative tolerance per step, of events and log-determinant alike.
        atol: absolute tolerance per step.
        max_steps: where the solver gives up.

    Returns:
        `Carried(x, log_det, num_calls)`. A call gives the velocity and its divergence; gradients make calls of their
        own, which are not counted.

    Raises:
        TypeError: `x` has less than 32 bits, the velocity has another dtype, the direction is neither integer nor
            floating point, or a count is no integer.
        ValueError: shapes differ, a NaN, or the solver gave up (NaN under `jit`).

    Source: Chen et al. (2018), equation 8; the solver is that of Tsitouras (2011).

    >>> x, log_det, num_calls = carry(lambda x, t: -x, jnp.ones(2), start=0.0, end=1.0)
    >>> print(f"{x[0]:.4f} {log_det:.4f}")
    0.3679 -2.0000
    """
    if direction is not None:
        direction = _probe(x, direction)

    def field(state: tuple[Array, Array], t: Array) -> tuple[Array, Array]:
        if direction is None:
            return _with_divergence(velocity_fn, state[0], t)
        return _with_hutchinson(velocity_fn, state[0], t, direction)

    (x, log_det), num_calls = _solve(
        field, (x, jnp.zeros((), x.dtype)), start, end, None, num_steps, rtol, atol, max_steps
    )
    return Carried(x, log_det, num_calls)


def integrate(
    velocity_fn: Velocity,
    x: Float[Array, "*event"],
    *,
    start: float,
    end: float,
    num_steps: int | None = None,
    times: Sequence[float] | Float[Array | np.ndarray, " k"] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_steps: int = 1000,
) -> Integrated:
    """Carry one event along dx/dt = v(x, t), without the divergence that a density needs.

    x(end) = x + ∫ v dt, the equation of `carry`; the velocity is evaluated and never differentiated

    `end` may lie before `start`. Gradients reach `x` and what `velocity_fn` holds, through the solver's own steps, in
    reverse mode (`jax.grad`, `jax.jacrev`).

    Args:
        velocity_fn: `velocity_fn(x, t) -> v`, of the shape and dtype of `x`.
        x: one event at time `start`, of any shape; float32 or float64.
        start: the time of `x`.
        end: the time to reach.
        num_steps: a fixed number of steps; by default the solver chooses them by its tolerances.
        times: `[k]`, where given, the times to save, between `start` and `end` in the order of travel. Saving costs
            no calls: states between two steps are the solver's interpolation, of order four.
        rtol: relative tolerance per step.
        atol: absolute tolerance per step.
        max_steps: where the solver gives up.

    Returns:
        `Integrated(x, num_calls)`: the event at time `end`, or at each of `times`, `[k, *event]`.

    Raises:
        TypeError: `x` has less than 32 bits, the velocity has another dtype, or a count is no integer.
        ValueError: shapes differ, `times` is no vector, a NaN, a time out of order or range, or the solver gave up
            (the last three NaN under `jit`).

    Source: Tsitouras (2011), the solver and its interpolation.

    >>> path, num_calls = integrate(lambda x, t: -x, jnp.ones(2), start=0.0, end=1.0, times=[0.5, 1.0])
    >>> print(f"{path[0, 0]:.4f} {path[1, 0]:.4f}")
    0.6065 0.3679
    """
    field = lambda x, t: _velocity(velocity_fn, x, t)
    return Integrated(*_solve(field, x, start, end, times, num_steps, rtol, atol, max_steps))


def _solve(
    field: Callable[[T, Array], T],
    state: T,
    start: float,
    end: float,
    times: Any,
    num_steps: int | None,
    rtol: float,
    atol: float,
    max_steps: int,
) -> tuple[T, Array]:
    """The state at `end` or at `times`, where x is the first leaf of the state, and how often `field` was called."""
    import diffrax  # half a second, for those alone who solve an equation
    import equinox

    x = jax.tree.leaves(state)[0]
    check_full_precision(x=x)
    check_not_nan(x=x)
    check_count(max_steps=max_steps)
    adaptive = num_steps is None
    if not adaptive:
        check_count(num_steps=num_steps)

    def rates(t: Any, state: T, args: Any) -> T:
        derivative = field(state, t)
        dtype, expected = (jnp.result_type(jax.tree.leaves(tree)[0]) for tree in (derivative, state))
        if dtype != expected:
            raise TypeError(f"the velocity must have the dtype of x: velocity {dtype}, x {expected}")
        return derivative

    with jax.ensure_compile_time_eval():  # so that times that are constants are checked while tracing
        start_, end_ = jnp.asarray(start, x.dtype), jnp.asarray(end, x.dtype)
        saved, in_order = (None, True) if times is None else _saved_times(times, start_, end_)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        solution = diffrax.diffeqsolve(
            # What the velocity closes over becomes leaves of the term, which no cache of JAX keeps beyond the trace.
            diffrax.ODETerm(equinox.filter_closure_convert(rates, start_, state, None)),
            diffrax.Tsit5(),
            start_,
            end_,
            None if adaptive else (end_ - start_) / int(num_steps),
            state,
            saveat=diffrax.SaveAt(t1=True) if saved is None else diffrax.SaveAt(ts=saved),
            stepsize_controller=(
                diffrax.PIDController(rtol=rtol, atol=atol) if adaptive else diffrax.ConstantStepSize()
            ),
            max_steps=int(max_steps) if adaptive else int(num_steps) + 1,
            # The first derivative, which a first step would else compute anew each time that it is rejected.
            solver_state=(jnp.array(False), rates(start_, state, None)) if adaptive else None,
            throw=False,  # an error inside jit would need a callback, which no accelerator likes
        )
    assert solution.ys is not None
    taken = jnp.asarray(solution.stats["num_steps"], jnp.int32)  # with those rejected
    reached = solution.result == diffrax.RESULTS.successful
    check_values("the solver", taken, reached, f"reach t = {end} within {max_steps} steps")
    # Six stages per step, because the last one is the first of the next step, and the first derivative of all. (The
    # solver's own choice of the first step costs no call: diffrax tries 0.01.)
    num_calls = 6 * taken + (1 if adaptive else jnp.minimum(taken, 1))
    nan = lambda leaf: jnp.where(reached & in_order, leaf if saved is not None else leaf[0], jnp.nan)
    return jax.tree.map(nan, solution.ys), num_calls


def _saved_times(times: Any, start: Array, end: Array) -> tuple[Array, Array]:
    """The times to save, all `start` where they do not run from `start` to `end`, and whether they do."""
    saved = jnp.asarray(times, start.dtype)
    if saved.ndim != 1 or saved.size == 0:
        raise ValueError(f"times must be a vector of at least one time; got shape {saved.shape}")
    ahead = jnp.sign(end - start)
    valid = (ahead * jnp.diff(saved, prepend=start) >= 0) & (ahead * (end - saved) >= 0)
    check_values("times", saved, valid, "run from start to end in the order of travel")
    in_order = jnp.all(valid)
    return jnp.where(in_order, saved, start), in_order  # diffrax would stop a compiled program at the others


def _with_divergence(velocity_fn: Velocity, x: Array, t: Array) -> tuple[Array, Array]:
    """The velocity and its divergence, from one call."""

    def twice(flat: Array) -> tuple[Array, Array]:
        v = jnp.ravel(_velocity(velocity_fn, jnp.reshape(flat, jnp.shape(x)), t))
        return v, v

    jacobian, v = jax.jacfwd(twice, has_aux=True)(jnp.ravel(x))
    return jnp.reshape(v, jnp.shape(x)), jnp.trace(jacobian)


def _probe(x: Array, direction: Array) -> Array:
    """The direction in the dtype of `x`: Rademacher draws are integers by default."""
    check_same_shape(x=x, direction=direction)
    dtype = jnp.result_type(direction)
    if not (jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)):
        raise TypeError(
            f"direction must be integer or floating point, to be cast to the dtype of x: direction {dtype}, "
            f"x {jnp.result_type(x)}"
        )
    return jnp.asarray(direction, jnp.result_type(x))


def _with_hutchinson(velocity_fn: Velocity, x: Array, t: Array, direction: Array) -> tuple[Array, Array]:
    """The velocity and the estimate of its divergence, from one call."""
    v, derivative = jax.jvp(lambda x: _velocity(velocity_fn, x, t), (x,), (direction,))
    return v, jnp.sum(direction * derivative)


def _velocity(velocity_fn: Velocity, x: Array, t: Array) -> Array:
    v = velocity_fn(x, t)
    check_same_shape(x=x, velocity=v)
    return v
