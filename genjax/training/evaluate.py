"""Numbers for a report: averages over data and over seeds, with their standard errors."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray, PyTree

from genjax import metrics
from genjax.likelihood import Kind, Likelihood, bits_per_dim

__all__ = [
    "compare_samples",
    "describe",
    "evenly_spaced",
    "likelihood_entry",
    "map_examples",
    "map_seeds",
    "over_seeds",
    "timed",
]

T = TypeVar("T")


def evenly_spaced(data: Any, n: int) -> Any:
    """At most n examples from all of the data, because files may be sorted by class.

    Args:
        data: `[m, ...]`.
        n: how many; all of them if there are fewer.

    Returns:
        `[min(n, m), ...]`.

    >>> evenly_spaced(jnp.arange(10), 3).tolist()
    [0, 4, 9]
    """
    return data[np.linspace(0, len(data) - 1, min(n, len(data))).astype(int)]


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
        keys: one a seed, `[s]`.
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
    compiled = jax.jit(fn).lower(*args).compile()
    jax.block_until_ready(jax.live_arrays())  # or work that was dispatched before would be timed with it
    started = time.perf_counter()
    value = jax.block_until_ready(compiled(*args))
    return value, time.perf_counter() - started


def over_seeds(values: Any) -> dict[str, Any]:
    """Mean over seeds, its standard error, and the values.

    Args:
        values: one number a seed, `[s]`.

    Returns:
        `mean`, `standard_error` (None for one seed) and `per_seed`.

    >>> over_seeds([1.0, 3.0])
    {'mean': 2.0, 'standard_error': 1.0, 'per_seed': [1.0, 3.0]}
    """
    values = np.asarray(values, float)
    error = float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else None
    return {"mean": float(values.mean()), "standard_error": error, "per_seed": values.tolist()}


def compare_samples(samples: Float[Array, "s n d"], real: Float[Array, "m d"]) -> dict[str, Any]:
    """A summary's entries on quality and on diversity: precision and recall, and distances between samples.

    Args:
        samples: of every seed.
        real: test data.

    Returns:
        `quality` and `diversity`.

    >>> x = jax.random.normal(jax.random.key(0), (3, 50, 2))
    >>> sorted(compare_samples(x[:2], x[2]))
    ['diversity', 'quality']
    """
    judge = lambda fake, real: (metrics.precision_recall(real, fake), metrics.diversity(fake))
    # Data are passed, not closed over: a compiler would fold what it can compute of a constant.
    support, spread = jax.jit(jax.vmap(judge, (0, None)))(samples, real)
    real_spread = jax.jit(metrics.diversity)(real)
    return {
        "quality": {"precision": over_seeds(support.precision), "num_samples": samples.shape[1]},
        "diversity": {
            "recall": over_seeds(support.recall),
            "pairwise_distance": over_seeds(spread.pairwise_distance),
            "pairwise_distance_of_test_data": float(real_spread.pairwise_distance),
        },
    }


def likelihood_entry(log_probs: Any, num_dims: int, kind: Kind, *, num_levels: int | None) -> dict[str, Any]:
    """A report's entry for log-likelihoods of all seeds on one test set.

    Args:
        log_probs: nats, `[s, n]`, for every seed and test example.
        num_dims: dimensions of one example.
        kind: exact, lower bound or estimate.
        num_levels: as in `bits_per_dim`; None for real data, which has no bits.

    Returns:
        Negative log-likelihood in nats and bits/dim over seeds, and each seed's standard error over test examples.

    >>> entry = likelihood_entry([[-1.0, -3.0]], 2, Kind.EXACT, num_levels=1)
    >>> entry["nll_nats"]["mean"], round(entry["bits_per_dim"]["mean"], 3)
    (2.0, 1.443)
    """
    log_probs = np.asarray(log_probs, float)
    error = log_probs.std(axis=1, ddof=1) / math.sqrt(log_probs.shape[1])
    records = [
        Likelihood(nats=float(mean), num_dims=num_dims, kind=kind, standard_error=float(e))
        for mean, e in zip(log_probs.mean(axis=1), error, strict=True)
    ]
    entry = {
        "kind": str(kind),
        "nll_nats": over_seeds([-r.nats for r in records]),
        "standard_error_over_test": [r.standard_error for r in records],
        "num_test": log_probs.shape[1],
        "num_dims": num_dims,
    }
    if num_levels is not None:
        bits = [float(bits_per_dim(-r.nats, num_dims, num_levels=num_levels)) for r in records]
        entry["bits_per_dim"] = over_seeds(bits)
    return entry


def describe(entry: dict[str, Any], unit: str = "") -> str:
    """An `over_seeds` entry as a reader wants it.

    >>> describe({"mean": 87.5376, "standard_error": 0.1716}, " nats")
    '87.54 ± 0.17 nats'
    """
    error = entry["standard_error"]
    if not error:
        return f"{entry['mean']:.4g}{unit}"
    decimals = max(
        0, 1 - math.floor(math.log10(error))
    )  # two digits of the error, the mean to the same place
    return f"{entry['mean']:.{decimals}f} ± {error:.{decimals}f}{unit}"
