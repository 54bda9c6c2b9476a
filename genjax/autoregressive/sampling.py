"""Ancestral sampling: one level after another, each from its conditional."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PRNGKeyArray, PyTree

from genjax._checks import check_count, check_float, check_key, check_scalar, check_values
from genjax.autoregressive.likelihood import LogitsFn, check_sequence

__all__ = ["cached_sample", "sample"]

StepFn = Callable[[Any, Array, Array], tuple[Any, Array]]


def sample(
    key: PRNGKeyArray,
    logits_fn: LogitsFn,
    length: int,
    *,
    temperature: float | Float[Array, ""] = 1.0,
    prefix: Integer[Array, " m"] | None = None,
) -> Integer[Array, " n"]:
    """Draw a sequence, or complete one, from any autoregressive network: one call of it for each position drawn.

    x_i ~ softmax(ℓ_i(x_{<i}) / T), i = m, …, n − 1

    A call computes all n rows of logits and uses one, so a network that can keep what it computed is sampled faster
    by `cached_sample`; both give the same draws for the same key. Position i is drawn with `fold_in(key, i)`, so that
    completing a prefix of a sample with the key of that sample gives the sample back.

    Args:
        key: one key.
        logits_fn: `logits_fn(x) -> ℓ`, of shape `[n, K]`; row i sees only `x[:i]`.
        length: n, the length of the sequence, prefix included.
        temperature: T > 0; 1 samples the model, and the limit at 0 takes the most probable level at each position.
        prefix: x_0, …, x_{m−1}, kept as given; none by default.

    Returns:
        Integers in 0..K−1, of shape `[n]`; −1 where a NaN or a fault of value left nothing to draw under `jit`.

    Raises:
        TypeError: the key is not typed, the prefix not integer, or the logits not floating point.
        ValueError: the prefix is longer than `length` or has a level outside 0..K−1, the temperature is not positive,
            or the logits are not `[n, K]` or NaN.

    >>> logits_fn = lambda x: jnp.log(jnp.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]))
    >>> draws = jax.vmap(lambda key: sample(key, logits_fn, 3))(jax.random.split(jax.random.key(0), 1000))
    >>> print(draws.mean(axis=0).round(1))
    [0.8 0.5 0.1]
    """
    kept = _check_request(key, length, temperature, prefix)
    length = int(length)
    x = jnp.zeros(length, int)
    num_levels = _num_levels(jax.eval_shape(logits_fn, x), (length,))
    kept = _check_levels(kept, num_levels)

    def step(x: Array, token: Array, position: Array) -> tuple[Array, Array]:
        x = jnp.where(jnp.arange(length) == position - 1, token, x)
        return x, logits_fn(x)[position]

    return _continue(key, step, x.at[: len(kept)].set(kept), kept, length, temperature)


def cached_sample(
    key: PRNGKeyArray,
    step_fn: StepFn,
    cache: PyTree[Array],
    length: int,
    *,
    temperature: float | Float[Array, ""] = 1.0,
    prefix: Integer[Array, " m"] | None = None,
) -> Integer[Array, " n"]:
    """Draw or complete a sequence from a network that keeps what it computed: nothing is computed twice.

    x_i ~ softmax(ℓ_i / T), (cache, ℓ_i) ← step(cache, x_{i−1}, i)

    Args:
        key: one key; position i is drawn with `fold_in(key, i)`, as in `sample`.
        step_fn: `step_fn(cache, token, position) -> (cache, logits)`: takes in x_{position − 1} and gives the logits
            `[K]` of x_position. There is no token before position 0: the 0 given there is to be ignored.
        cache: the cache before the first step, any pytree of arrays.
        length: n, the length of the sequence, prefix included.
        temperature: T > 0.
        prefix: x_0, …, x_{m−1}, kept as given; none by default.

    Returns:
        Integers in 0..K−1, of shape `[n]`; −1 where a NaN or a fault of value left nothing to draw under `jit`.

    Raises:
        TypeError: the key is not typed, the prefix not integer, or the logits not floating point.
        ValueError: as `sample`, or what `step_fn` says of a sequence longer than its cache.

    >>> def step_fn(count, token, position):                                         # the third 1 ends in zeros
    ...     count = jnp.where(position == 0, count, count + token)
    ...     return count, jnp.where(count < 3, jnp.array([0.0, 50.0]), jnp.array([50.0, 0.0]))
    >>> print(cached_sample(jax.random.key(0), step_fn, jnp.array(0), 6, prefix=jnp.array([1, 0])))
    [1 0 1 1 0 0]
    """
    kept = _check_request(key, length, temperature, prefix)
    length = int(length)
    first = jnp.zeros((), int)
    with (
        jax.ensure_compile_time_eval()
    ):  # a constant, so that a network can refuse a position it has no room for
        last = jnp.asarray(length - 1)
    logits = jax.eval_shape(lambda cache, token: step_fn(cache, token, last)[1], cache, first)
    kept = _check_levels(kept, _num_levels(logits, ()))
    before = jnp.concatenate([first[None], kept])[: len(kept)]
    take_in = lambda cache, token_and_position: (step_fn(cache, *token_and_position)[0], None)
    cache, _ = jax.lax.scan(take_in, cache, (before, jnp.arange(len(kept))))
    return _continue(key, step_fn, cache, kept, length, temperature)


def _continue(key, step_fn, cache, kept, length, temperature):
    """Draw positions len(kept)..length−1, with a cache that has taken in all of `kept` but its last level."""

    def one(carry: tuple[Any, Array], position: Array) -> tuple[tuple[Any, Array], Array]:
        cache, logits = step_fn(*carry, position)
        # Shifted first, so that a small temperature sends the others to −∞ and not the largest to +∞.
        scaled = (logits - jnp.max(logits)) / jnp.asarray(temperature, logits.dtype)
        level = jax.random.categorical(jax.random.fold_in(key, position), scaled).astype(int)
        level = jnp.where(jnp.isnan(scaled).any() | (jnp.asarray(temperature) <= 0), -1, level)
        return (cache, level), level

    last = kept[-1] if len(kept) else jnp.zeros((), int)
    _, drawn = jax.lax.scan(one, (cache, last), jnp.arange(len(kept), length))
    check_values("the levels drawn", drawn, drawn >= 0, "come from logits that are not NaN")
    return jnp.concatenate([kept, drawn])


def _check_request(key: Any, length: int, temperature: Any, prefix: Array | None) -> Array:
    """Check what was asked for; the prefix as plain integers, empty where there is none."""
    check_key(key)
    check_count(length=length)
    check_scalar("temperature", temperature)
    check_values("temperature", temperature, jnp.asarray(temperature) > 0, "be positive")
    if prefix is None:
        return jnp.zeros(0, int)
    check_sequence(prefix)
    if prefix.shape[0] > length:
        raise ValueError(f"the prefix must not be longer than the sequence: {prefix.shape[0]} > {length}")
    return prefix.astype(int)


def _num_levels(logits: jax.ShapeDtypeStruct, positions: tuple[int, ...]) -> int:
    check_float(logits=logits)
    if logits.shape[:-1] != positions or len(logits.shape) != len(positions) + 1:
        expected = ", ".join(["n = " + str(n) for n in positions] + ["K"])
        raise ValueError(f"logits must have shape ({expected}); got {logits.shape}")
    return logits.shape[-1]


def _check_levels(prefix: Array, num_levels: int) -> Array:
    inside = (prefix >= 0) & (prefix < num_levels)
    check_values("prefix", prefix, inside, f"lie in 0..{num_levels - 1}")
    return jnp.where(inside, prefix, -1)
