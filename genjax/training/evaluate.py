"""Functions of one example, or of one seed, over all of them."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import rich.console
import rich.progress
from jaxtyping import Array, Key, PRNGKeyArray, PyTree

from genjax.training.compiled import compiled

__all__ = ["map_examples", "map_seeds", "shown", "timed"]

T = TypeVar("T")

BATCH_SIZE = 100
"""Examples at once, in memory."""


def map_examples(fn: Callable[..., Any], key: PRNGKeyArray, data: PyTree[Array]) -> Any:
    """`fn(key_i, example_i)` for every example, in batches that fit in memory.

    Args:
        fn: a keyed function of one example.
        key: one key.
        data: arrays `[n, ...]`.

    Returns:
        The results, `[n, ...]`.

    >>> map_examples(lambda key, x: 2 * x, jax.random.key(0), jnp.arange(3.0)).tolist()
    [0.0, 2.0, 4.0]
    """
    return _over(fn, jax.random.split(key, jax.tree.leaves(data)[0].shape[0]), data)


def _over(fn: Callable[..., Any], keys: Key[Array, " n"], data: PyTree[Array]) -> Any:
    return jax.lax.map(lambda pair: fn(*pair), (keys, data), batch_size=BATCH_SIZE)


def map_seeds(
    fn: Callable[..., Any],
    params: PyTree[Array],
    keys: Key[Array, " s"],
    data: PyTree[Array],
    *,
    doing: str | None = None,
) -> Any:
    """`fn(params_s, key_i, example_i)` for every seed and every example, compiled.

    Args:
        fn: a function of one seed's parameters, a key and one example.
        params: every leaf with a leading axis of seeds.
        keys: one per seed, `[s]`.
        data: arrays `[n, ...]` all seeds share.
        doing: in words; where given, the work goes in parts of 1,000 examples and its progress is shown.

    Returns:
        The results, `[s, n, ...]`.

    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> map_seeds(lambda p, key, x: p * x, jnp.array([1.0, 2.0]), keys, jnp.arange(3.0)).tolist()
    [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]
    """
    n = jax.tree.leaves(data)[0].shape[0]
    part = n if doing is None else min(n, 1000)

    @jax.jit
    def of_part(params: PyTree[Array], keys: Key[Array, "s n"], data: PyTree[Array]) -> Any:
        one_seed = lambda params, keys, data: _over(partial(fn, params), keys, data)
        return jax.vmap(one_seed, (0, 0, None))(params, keys, data)

    example_keys = jax.vmap(lambda key: jax.random.split(key, n))(keys)
    results = []
    for begin in shown(range(0, n, part), doing):
        # The last part begins earlier, so that all have one shape and one program; what it repeats is cut off.
        first = min(begin, n - part)
        rows = jax.tree.map(lambda leaf, first=first: leaf[first : first + part], data)
        result = jax.block_until_ready(of_part(params, example_keys[:, first : first + part], rows))
        results.append(jax.tree.map(lambda leaf, cut=begin - first: leaf[:, cut:], result))
    return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *results)


def shown(parts: Sequence[T], doing: str | None) -> Iterator[T]:
    """The parts of a piece of work one by one, with a bar on a terminal and else a line every ten seconds.

    Args:
        parts: what there is to do.
        doing: in words; None shows nothing.

    Yields:
        Each part.

    >>> list(shown([1, 2], None))
    [1, 2]
    """
    if doing is None or sys.stderr.isatty():
        console = rich.console.Console(stderr=True)
        yield from rich.progress.track(parts, doing or "", console=console, disable=doing is None)
        return
    told = time.monotonic()
    for number, part in enumerate(parts):
        if time.monotonic() - told > 10:
            print(f"{doing}: {number} of {len(parts)} parts", flush=True)
            told = time.monotonic()
        yield part


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
