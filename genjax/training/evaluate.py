"""Functions of one example, or of one seed, over all of them."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Key, PRNGKeyArray, PyTree

from genjax.training.compiled import compiled

__all__ = ["evenly_spaced", "map_examples", "map_seeds", "timed"]

T = TypeVar("T")


def evenly_spaced(data: Any, n: int) -> Any:
    """At most n examples from all of the data, because files may be sorted by class, or run through them in turn.

    The data are cut into n stretches, and one example is drawn from each, the same in every call: even spacing of
    sorted data, without the bias of a fixed step, which meets the same classes of periodic data again and again.

    Args:
        data: `[m, ...]`.
        n: how many; all of them if there are fewer.

    Returns:
        `[min(n, m), ...]`, in their order.

    >>> evenly_spaced(jnp.arange(10), 3).shape, evenly_spaced(jnp.arange(3), 10).tolist()
    ((3,), [0, 1, 2])
    """
    n = min(n, len(data))
    edges = np.arange(n + 1) * len(data) // max(n, 1)
    return data[np.random.default_rng(0).integers(edges[:-1], edges[1:])]


def map_examples(
    fn: Callable[..., Any], key: PRNGKeyArray, data: PyTree[Array], *, batch_size: int = 100
) -> Any:
    """`fn(key_i, example_i)` for every example, in batches that fit in memory.

    Args:
        fn: a keyed function of one example.
        key: one key.
        data: arrays `[n, ...]`.
        batch_size: examples at once.

    Returns:
        The results, `[n, ...]`.

    >>> map_examples(lambda key, x: 2 * x, jax.random.key(0), jnp.arange(3.0)).tolist()
    [0.0, 2.0, 4.0]
    """
    keys = jax.random.split(key, jax.tree.leaves(data)[0].shape[0])
    return jax.lax.map(lambda pair: fn(*pair), (keys, data), batch_size=batch_size)


def map_seeds(
    fn: Callable[..., Any], params: PyTree[Array], keys: Key[Array, " s"], data: PyTree[Array]
) -> Any:
    """`fn(params_s, key_i, example_i)` for every seed and every example, compiled.

    Args:
        fn: a function of one seed's parameters, a key and one example.
        params: every leaf with a leading axis of seeds.
        keys: one per seed, `[s]`.
        data: arrays `[n, ...]` all seeds share.

    Returns:
        The results, `[s, n, ...]`.

    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> map_seeds(lambda p, key, x: p * x, jnp.array([1.0, 2.0]), keys, jnp.arange(3.0)).tolist()
    [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]
    """
    one_seed = lambda params, key, data: map_examples(partial(fn, params), key, data)
    return jax.jit(jax.vmap(one_seed, (0, 0, None)))(params, keys, data)


def timed(fn: Callable[..., T], *args: Any) -> tuple[T, float]:
    """The value of a function of arrays, and the seconds it takes once compiled.

    Args:
        fn: any function of arrays.
        *args: its arguments.

    Returns:
        The value, and seconds.

    >>> value, seconds = timed(lambda x: x + 1, jnp.zeros(()))
    >>> print(value, seconds > 0)
    1.0 True
    """
    program = compiled(fn, *args)
    jax.block_until_ready(jax.live_arrays())  # or work that was dispatched before would be timed with it
    started = time.perf_counter()
    value = jax.block_until_ready(program(*args))
    return value, time.perf_counter() - started
