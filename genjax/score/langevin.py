"""Langevin dynamics: a chain that follows a score with noise, and through falling noise levels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import (
    check_count,
    check_float,
    check_keeps_dtype,
    check_key,
    check_not_nan,
    check_same_shape,
    check_scalar,
    check_values,
)

__all__ = ["annealed_langevin", "langevin", "langevin_step"]


def langevin_step(
    score_fn: Callable[[Array], Array],
    x: Float[Array, "*event"],
    noise: Float[Array, "*event"],
    *,
    step_size: int | float | Float[Array, ""],
) -> Float[Array, "*event"]:
    """One step of the unadjusted Langevin algorithm.

    x + η s(x) + √(2η) ε

    Papers that write x + (δ/2) s + √δ ε have δ = 2η. The chain's law is off by O(η): on N(0, 1) its variance is
    1/(1 − η/2). `genjax.energy.metropolis_langevin` corrects that, where the energy itself is known.

    Args:
        score_fn: `score_fn(x) -> s`, of the shape of x, per unit of x; of an energy, −∇E.
        x: the state, of any shape.
        noise: ε, a standard normal draw, of the shape of `x`.
        step_size: η, positive, in squared units of x.

    Returns:
        The next state.

    Raises:
        TypeError: an array is not floating point.
        ValueError: shapes differ, a NaN, or η is no positive scalar (NaN under `jit`).

    Source: Roberts and Tweedie (1996), section 1.4, with η for half their h.

    >>> print(langevin_step(lambda x: -x, jnp.array([2.0]), jnp.array([0.0]), step_size=0.1))
    [1.8]
    """
    check_float(x=x, noise=noise)
    check_same_shape(x=x, noise=noise)
    check_not_nan(x=x, noise=noise)
    check_scalar("step_size", step_size)
    eta = jnp.asarray(step_size, x.dtype)
    check_values("step_size", eta, eta > 0, "be positive")
    score = score_fn(x)
    check_same_shape(x=x, **{"score_fn(x)": score})
    return x + eta * score + jnp.sqrt(2 * jnp.where(eta > 0, eta, jnp.nan)) * noise


def langevin(
    key: PRNGKeyArray,
    score_fn: Callable[[Array], Array],
    x: Float[Array, "*event"],
    *,
    step_size: int | float | Float[Array, ""],
    num_steps: int,
) -> Float[Array, "*event"]:
    """A Langevin chain's final state.

    x ← x + η s(x) + √(2η) ε, `num_steps` times

    Args:
        key: one key; step k draws from `fold_in(key, k)`.
        score_fn: `score_fn(x) -> s`, of the shape of x.
        x: the start, of any shape.
        step_size: η, positive, in squared units of x.
        num_steps: steps of the chain.

    Returns:
        The state after the last step.

    Raises:
        TypeError: the key is not typed, an array is not floating point, the score's dtype is wider than that of
            `x`, or the count is no integer.
        ValueError: the score has another shape, a NaN, η is not positive, or the count is below 1.

    Source: Roberts and Tweedie (1996), section 1.4, with η for half their h.

    >>> draw = lambda key: langevin(key, lambda x: -x, jnp.zeros(1), step_size=0.5, num_steps=30)
    >>> x = jax.vmap(draw)(jax.random.split(jax.random.key(0), 4000))
    >>> print(f"{jnp.var(x):.1f}")  # 1/(1 − η/2)
    1.3
    """
    check_key(key)
    check_float(x=x)
    check_count(num_steps=num_steps)

    def step(x: Array, k: Array) -> tuple[Array, None]:
        noise = jax.random.normal(jax.random.fold_in(key, k), x.shape, x.dtype)
        after = langevin_step(score_fn, x, noise, step_size=step_size)
        check_keeps_dtype(x, **{"score_fn(x)": after})
        return after, None

    return jax.lax.scan(step, x, jnp.arange(int(num_steps)))[0]


def annealed_langevin(
    key: PRNGKeyArray,
    score_fn: Callable[[Array, Array], Array],
    x: Float[Array, "*event"],
    sigmas: Float[Array, " k"],
    *,
    step_size: int | float | Float[Array, ""],
    num_steps: int,
) -> Float[Array, "*event"]:
    """Langevin chains through falling noise levels, each starting where the one before it ended.

    η_i = η (σ_i / σ_K)²

    Modes that are far apart are joined at high levels, so that their weights are found there.

    Args:
        key: one key; level i draws from `fold_in(key, i)`.
        score_fn: `score_fn(x, sigma) -> s`, the score of the density with noise of level σ, of the shape of x.
        x: the start, of any shape.
        sigmas: σ, decreasing and positive, `[K]`.
        step_size: η of the last level, positive, in squared units of x.
        num_steps: steps at each level.

    Returns:
        The state after the last step of the last level.

    Raises:
        TypeError: the key is not typed, an array is not floating point, the score's dtype is wider than that of
            `x`, or the count is no integer.
        ValueError: `sigmas` is not `[K]`, decreasing and positive (NaN under `jit`), η is not positive, shapes
            differ, a NaN, or the count is below 1.

    Source: Song and Ermon (2019), algorithm 1, with η for half their α.

    >>> score, sigmas = lambda x, sigma: -x / (1 + sigma**2), jnp.array([3.0, 0.1])
    >>> annealed_langevin(jax.random.key(0), score, jnp.zeros(1), sigmas, step_size=0.005, num_steps=50).shape
    (1,)
    """
    check_key(key)
    check_float(x=x, sigmas=sigmas)
    if jnp.ndim(sigmas) != 1 or len(sigmas) == 0:
        raise ValueError(f"sigmas must be [K] with at least one level; got shape {jnp.shape(sigmas)}")
    falling = (sigmas > 0) & jnp.concatenate([jnp.array([True]), sigmas[1:] < sigmas[:-1]])
    check_values("sigmas", sigmas, falling, "be positive and decrease")
    sigmas = jnp.where(jnp.all(falling), sigmas, jnp.nan).astype(x.dtype)
    sizes = jnp.asarray(step_size, x.dtype) * (sigmas / sigmas[-1]) ** 2

    def level(x: Array, at: tuple[Array, Array, Array]) -> tuple[Array, None]:
        i, sigma, eta = at
        score = lambda x: score_fn(x, sigma)
        return langevin(jax.random.fold_in(key, i), score, x, step_size=eta, num_steps=num_steps), None

    return jax.lax.scan(level, x, (jnp.arange(len(sigmas)), sigmas, sizes))[0]
