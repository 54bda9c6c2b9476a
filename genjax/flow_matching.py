"""Flow matching: diffusion on straight lines, with a velocity for a target.

Time runs from data at t = 0 to the source at t = 1, x_t = (1 − t) x0 + t ε, and the velocity is ε − x0. Papers that
run from noise at 0 to data at 1 have τ = 1 − t and the velocity −v.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from genjax import diffusion
from genjax._assignment import optimal_assignment
from genjax._checks import (
    check_float,
    check_keeps_dtype,
    check_key,
    check_not_nan,
    check_same_shape,
    check_scalar,
    check_values,
)
from genjax.diffusion import Prediction, Sampler, add_noise, euler, rectified
from genjax.diffusion.continuous import open_uniform

__all__ = [
    "conditional_flow_matching",
    "flow_matching_error",
    "log_prob",
    "mean_flow_error",
    "minibatch_ot_pairing",
    "path_energy",
    "sample",
]

Velocity = Callable[[Array, Any], Array]


def flow_matching_error(
    velocity_fn: Velocity,
    x0: Float[Array, "*event"],
    t: Float[Array, ""] | float,
    noise: Float[Array, "*event"],
) -> Float[Array, ""]:
    """The squared error of a velocity on the line from one example to one of the source.

    ‖v(x_t, t) − (ε − x0)‖², x_t = (1 − t) x0 + t ε

    Args:
        velocity_fn: `velocity_fn(x_t, t)`, of the shape of x_t.
        x0: data, of any shape.
        t: the time, a scalar in [0, 1].
        noise: ε, of the source (Gaussian noise, or an example of another set), of the shape of `x0`.

    Returns:
        The error, summed over the event.

    Raises:
        TypeError: an array is not floating point, or the time is an integer.
        ValueError: shapes differ, `t` is no scalar or out of range (NaN under `jit`), or a NaN.

    Source: Lipman et al. (2023), equation 23; Liu et al. (2023), equation 1.

    >>> print(flow_matching_error(lambda x, t: jnp.zeros(2), jnp.array([1.0, 2.0]), 0.3, jnp.array([3.0, -1.0])))
    13.0
    """
    x_t = add_noise(rectified(), x0, t, noise)
    value = velocity_fn(x_t, t)
    check_same_shape(x0=x0, **{"velocity_fn(x_t, t)": value})
    return jnp.sum((noise - x0 - value) ** 2)


def conditional_flow_matching(
    key: PRNGKeyArray, velocity_fn: Velocity, x0: Float[Array, "*event"], noise: Float[Array, "*event"]
) -> Float[Array, ""]:
    """The loss of flow matching on one pair, at a uniform time.

    E_t ‖v(x_t, t) − (ε − x0)‖², t uniform on (0, 1)

    Args:
        key: of the time.
        velocity_fn: `velocity_fn(x_t, t)`, of the shape of x_t.
        x0: data, of any shape.
        noise: ε, of the source, of the shape of `x0`; pairs that are drawn jointly (`minibatch_ot_pairing`) are data.

    Returns:
        One term of the expectation, summed over the event.

    Raises:
        TypeError: the key is not typed, or an array is not floating point.
        ValueError: shapes differ, or a NaN.

    Source: Lipman et al. (2023), equation 23; Tong et al. (2024), equation 10.

    >>> loss = conditional_flow_matching(jax.random.key(0), lambda x, t: jnp.ones(1), jnp.zeros(1), jnp.ones(1))
    >>> print(loss)
    0.0
    """
    check_key(key)
    return flow_matching_error(velocity_fn, x0, open_uniform(key), noise)


def minibatch_ot_pairing(
    x0: Float[Array, "n *event"],
    noise: Float[Array, "n *event"],
    *,
    assign: Callable[[Float[Array, "n n"]], Array] = optimal_assignment,
) -> Integer[Array, " n"]:
    """Which row of the source goes to which example of a batch, by optimal transport: couples the batch.

    p minimises Σ_i ‖x0_i − ε_{p(i)}‖² over permutations; pair x0[i] with noise[p[i]]

    Data and labels stay in place, and no row is drawn twice.

    Args:
        x0: a batch of data, `[n, ...]`.
        noise: as many of the source, of the same shape.
        assign: `assign(cost [n, n]) -> p [n]`; SciPy's exact solver on the host by default.

    Returns:
        p, `[n]`.

    Raises:
        TypeError: an array is not floating point.
        ValueError: shapes differ, no batch axis, or a NaN.

    Source: Pooladian et al. (2023), algorithm 1; Tong et al. (2024), section 3.2.

    >>> print(minibatch_ot_pairing(jnp.array([[0.0], [5.0]]), jnp.array([[4.0], [1.0]])))
    [1 0]
    """
    check_float(x0=x0, noise=noise)
    check_same_shape(x0=x0, noise=noise)
    if jnp.ndim(x0) == 0 or len(x0) == 0:
        raise ValueError(f"x0 must be a batch [n, ...]; got shape {jnp.shape(x0)}")
    check_not_nan(x0=x0, noise=noise)
    rows = noise.reshape(len(noise), -1)
    cost = jax.lax.map(lambda x: jnp.sum((jnp.ravel(x)[None] - rows) ** 2, axis=1), x0)
    return assign(cost)


def sample(
    velocity_fn: Velocity,
    noise: Float[Array, "*event"],
    *,
    num_steps: int | None = None,
    times: Array | None = None,
    sampler: Sampler | None = None,
) -> Float[Array, "*event"]:
    """Follow a velocity from the source to data.

    x ← x − (t − t′) v(x, t), by any deterministic rule of `genjax.diffusion`

    Args:
        velocity_fn: `velocity_fn(x_t, t)`, of the shape of x_t.
        noise: the state at t = 1, or at `times[0]`.
        num_steps: n, for n evenly spaced times from 1 to 1/n.
        times: decreasing times instead, `[n]`.
        sampler: `euler()` by default; `heun()`, `dpm_solver_pp_2m()`.

    Returns:
        The sample, of the shape of `noise`.

    Raises:
        TypeError: an array or a time is of the wrong kind, the velocity's dtype is wider than that of `noise`, or
            the count is no integer.
        ValueError: a sampler that draws noise (use `diffusion.sample` with `rectified()` and a Gaussian source), or
            as `diffusion.sample`.

    Source: Liu et al. (2023), algorithm 1.

    >>> print(sample(lambda x, t: jnp.array([2.0]), jnp.array([3.0]), num_steps=4))
    [1.]
    """
    sampler = euler() if sampler is None else sampler
    if sampler.draws:
        raise ValueError(
            "flow matching takes deterministic samplers; for a Gaussian source diffusion.sample takes all of them, "
            "with rectified() and VELOCITY"
        )
    return diffusion.sample(
        jax.random.key(0),  # never used
        velocity_fn,
        rectified(),
        noise,
        num_steps=num_steps,
        times=times,
        sampler=sampler,
        prediction=Prediction.VELOCITY,
    )


def log_prob(
    key: PRNGKeyArray, velocity_fn: Velocity, x0: Float[Array, "*event"], **options: Any
) -> Float[Array, ""]:
    """The log-density of an example under the flow of a velocity from a standard normal source.

    log p(x0) = log N(x_1; 0, I) + ∫₀¹ ∇·v dt

    Args:
        key: unused, as in `diffusion.log_prob`.
        velocity_fn: `velocity_fn(x_t, t)`, of the shape of x_t.
        x0: an example, of any shape.
        **options: `direction`, `rtol`, `atol`, `max_steps` of `diffusion.log_prob`.

    Returns:
        Nats.

    Raises:
        TypeError: `x0` is narrower than float32.
        ValueError: shapes differ, a NaN, or the solver gave up (NaN under `jit`).

    Source: Lipman et al. (2023), appendix C.

    >>> velocity = lambda x, t: (2 * t - 1) / (t**2 + (1 - t) ** 2) * x  # of N(0, 1) data
    >>> print(f"{log_prob(jax.random.key(0), velocity, jnp.zeros(1)):.3f}")
    -0.919
    """
    return diffusion.log_prob(key, velocity_fn, rectified(), x0, prediction=Prediction.VELOCITY, **options)


def mean_flow_error(
    average_velocity_fn: Callable[[Array, Array, Array], Array],
    x0: Float[Array, "*event"],
    r: Float[Array, ""] | float,
    t: Float[Array, ""] | float,
    noise: Float[Array, "*event"],
) -> Float[Array, ""]:
    """The error of a velocity averaged from r to t, by which one step crosses the whole interval.

    ‖u − sg[ε − x0 − (t − r) du/dt]‖², du/dt along (ε − x0, 0, 1); the target is under stop-gradient

    Its gradient is the objective, not its value. At r = t it is `flow_matching_error`. A sample is
    x_r = x_t − (t − r) u(x_t, r, t).

    Args:
        average_velocity_fn: u, `u(x_t, r, t)`, of the shape of x_t.
        x0: data, of any shape.
        r: the earlier time, a scalar, at most `t`.
        t: the later time, a scalar in [0, 1].
        noise: ε, of the source, of the shape of `x0`.

    Returns:
        The error, summed over the event.

    Raises:
        TypeError: an array is not floating point, or a time is an integer.
        ValueError: shapes differ, a time is no scalar or out of range, r exceeds t (NaN under `jit`), or a NaN.

    Source: Geng et al. (2025), equations 8 and 10.

    >>> exact = lambda x, r, t: jnp.array([2.0])  # a constant velocity is its own average
    >>> print(mean_flow_error(exact, jnp.array([1.0]), 0.2, 0.9, jnp.array([3.0])))
    0.0
    """
    check_scalar("r", r)
    x_t = add_noise(rectified(), x0, t, noise)
    r, t = (jnp.asarray(time, x0.dtype) for time in (r, t))
    in_order = jnp.isfinite(rectified().alpha(r)) & (r <= t)
    check_values("r", r, in_order, "be at most t")
    velocity = noise - x0
    value, slope = jax.jvp(average_velocity_fn, (x_t, r, t), (velocity, jnp.zeros_like(r), jnp.ones_like(t)))
    check_same_shape(x0=x0, **{"average_velocity_fn(x_t, r, t)": value})
    target = jax.lax.stop_gradient(velocity - (t - r) * slope)
    return jnp.sum((value - jnp.where(in_order, target, jnp.nan)) ** 2)


def path_energy(
    velocity_fn: Velocity, noise: Float[Array, "*event"], *, num_steps: int
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """How much a path moves, and how far it is from a straight line.

    energy = ∫ ‖v(x_t, t)‖² dt; straightness = ∫ ‖v(x_t, t) − (x_1 − x_0)‖² dt, 0 of straight paths

    Args:
        velocity_fn: `velocity_fn(x_t, t)`, of the shape of x_t.
        noise: x_1, the state at t = 1.
        num_steps: steps of Euler's rule, by whose sums the integrals are taken.

    Returns:
        Energy and straightness, each summed over the event.

    Raises:
        TypeError: an array is not floating point, the velocity's dtype is wider than that of `noise`, or the count
            is no integer.
        ValueError: the velocity's shape, a NaN, or the count is below 1.

    Source: Tong et al. (2024), section 5; Liu et al. (2023), equation 5.

    >>> energy, straightness = path_energy(lambda x, t: jnp.array([2.0]), jnp.array([3.0]), num_steps=4)
    >>> print(energy, straightness)
    4.0 0.0
    """
    check_float(noise=noise)
    check_not_nan(noise=noise)
    times = rectified().times(num_steps)
    size = 1 / len(times)

    def step(x: Array, t: Array) -> tuple[Array, Array]:
        v = velocity_fn(x, t.astype(x.dtype))
        check_same_shape(noise=noise, **{"velocity_fn(x_t, t)": v})
        check_keeps_dtype(x, **{"velocity_fn(x_t, t)": v})
        return x - size * v, v

    x0, velocities = jax.lax.scan(step, noise, times)
    whole = (noise - x0)[None]
    mean_square = lambda v: jnp.sum(v**2) * size
    return mean_square(velocities), mean_square(velocities - whole)
