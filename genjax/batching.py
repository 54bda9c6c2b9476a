"""From one example to a batch: the mean of a keyed per-example loss."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax._checks import check_key

__all__ = ["expectation", "per_example"]


def per_example(loss: Callable[..., Any], *shared: Any, **options: Any) -> Callable[..., Any]:
    """Map a keyed one-example loss over a batch, unreduced.

    f(key, *data)_i = loss(key_i, *shared, *data_i, **options)

    What is bound here is shared. Every leaf of every argument after `key` in the second call is mapped over its
    leading axis, with one key per example; the keys of the first rows do not depend on the length of the batch.

    What `jax.vmap` maps is not concrete, with or without `jit`: where `loss` would raise on a fault of value (a NaN,
    a level out of range), the row of that example is NaN, and the others are right. `genjax.checked` raises.

    Args:
        loss: `loss(key, *shared, *data_i, **options)`, a function of one example.
        *shared: callables and structures all examples share.
        **options: keyword options of `loss`.

    Returns:
        `f(key, *data)`, whose leaves have a leading axis of examples.

    Raises:
        TypeError: (on the second call) `key` is not a typed key.
        ValueError: (on the second call) `key` is a batch, there is no data, or leading axes differ.

    >>> draw = per_example(lambda key, scale, x: scale * x, 2.0)
    >>> print(draw(jax.random.key(0), jnp.array([1.0, 2.0])))
    [2. 4.]
    """

    def mapped(key: PRNGKeyArray, *data: PyTree[Array]) -> Any:
        check_key(key)
        n = _batch_size(data)
        return jax.vmap(lambda k, *d: loss(k, *shared, *d, **options))(jax.random.split(key, n), *data)

    return mapped


def expectation(loss: Callable[..., Any], *shared: Any, **options: Any) -> Callable[..., Any]:
    """Turn a keyed one-example loss into the mean over a batch.

    f(key, *data, where=None) = 1/n Σ_i loss(key_i, *shared, *data_i, **options)

    `per_example` followed by the mean of each leaf, so a loss may return `(scalar, terms)`. With `where`, the mean
    runs over the kept rows only. Padding must repeat a real row: a NaN in a dropped row leaves the value alone but
    poisons the gradient. A loss without a key needs only `jax.vmap`.

    One example with a fault of value makes the mean NaN: nothing is dropped, and nothing raises, with or without
    `jit`, because `jax.vmap` maps the examples. `genjax.checked(f)` raises and quotes the value; `per_example` shows
    the row.

    Args:
        loss: `loss(key, *shared, *data_i, **options)`, a function of one example.
        *shared: callables and structures all examples share.
        **options: keyword options of `loss`.

    Returns:
        `f(key, *data, where=None)`, with `where` boolean of shape `[n]`; no kept row gives NaN.

    Raises:
        TypeError: (on the second call) `key` is not a typed key, or `where` is not boolean.
        ValueError: (on the second call) leading axes differ, or there is no data.

    >>> loss = lambda key, x: jnp.sum(x**2)
    >>> print(expectation(loss)(jax.random.key(0), jnp.array([[1.0], [3.0]])))
    5.0
    """
    mapped = per_example(loss, *shared, **options)

    def mean(key: PRNGKeyArray, *data: PyTree[Array], where: Array | None = None) -> Any:
        leaves = mapped(key, *data)
        if where is None:
            return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), leaves)
        n = _batch_size(data)
        if jnp.result_type(where) != jnp.bool_:
            raise TypeError(f"where must be boolean; got {jnp.result_type(where)}")
        if jnp.shape(where) != (n,):
            raise ValueError(f"where must have shape {(n,)}; got {jnp.shape(where)}")

        def kept_mean(leaf: Array) -> Array:
            rows = jnp.reshape(where, (n,) + (1,) * (leaf.ndim - 1))
            return jnp.mean(leaf, axis=0, where=rows)

        return jax.tree.map(kept_mean, leaves)

    return mean


def _batch_size(data: tuple[PyTree[Array], ...]) -> int:
    leaves = jax.tree.leaves(data)
    lengths = {leaf.shape[0] for leaf in leaves if getattr(leaf, "shape", ())}
    if len(lengths) != 1 or not all(getattr(leaf, "shape", ()) for leaf in leaves):
        listed = ", ".join(str(getattr(leaf, "shape", leaf)) for leaf in leaves)
        raise ValueError(
            f"every leaf of the data after key must be an array with the same leading axis; "
            f"got {listed or 'no data'}. Bind what all examples share in the first call"
        )
    return lengths.pop()
