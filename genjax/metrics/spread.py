"""How far a metric moves from one set of samples to the next."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count, check_key
from genjax.metrics._samples import check_samples, nan_unless_finite

__all__ = ["standard_error"]


def standard_error(
    key: PRNGKeyArray,
    metric: Callable[[Array, Array], Array],
    a: Float[Array, "n d"],
    b: Float[Array, "m d"],
    *,
    subset_size: int,
    num_subsets: int,
) -> Float[Array, ""]:
    """The standard deviation of a metric over subsets of both sets: its standard error at the size of a subset.

    √(1/(S − 1) Σ_s (v_s − v̄)²), v_s the metric of two subsets drawn without replacement

    It is that of `subset_size` samples, not of n. Where the metric is asymptotically normal (Fréchet distances of
    different laws, shares of samples) that of n is this times √(subset_size/n); for `kernel_distance` near zero times
    subset_size/n. Subsets of one set share rows, so that it is too small unless `subset_size` is far below n and m:
    by √(1 − subset_size/n) for a mean. The bootstrap, which draws with replacement, is biased for all of these
    metrics: a row twice is a neighbour at distance zero.

    Args:
        key: of the subsets.
        metric: `metric(a, b) -> scalar`.
        a: `[n, d]`.
        b: `[m, d]`.
        subset_size: rows in a subset, at most n and m.
        num_subsets: S, at least 2; the result itself has a relative error of about 1/√(2 S).

    Returns:
        In units of the metric.

    Raises:
        TypeError: `key` is not a typed key, a set is not floating point, or a count is no integer.
        ValueError: shapes do not fit, a NaN, a subset larger than a set, or fewer than two subsets.

    Source: Politis, Romano and Wolf (1999), section 2.2.

    >>> a, b = (jax.random.normal(jax.random.key(i), (4000, 1)) for i in range(2))
    >>> mean = lambda a, b: jnp.mean(a) - jnp.mean(b)
    >>> error = standard_error(jax.random.key(2), mean, a, b, subset_size=50, num_subsets=200)
    >>> print(f"{error:.1f}")  # √(1/50 + 1/50)
    0.2
    """
    check_key(key)
    check_count(subset_size=subset_size, num_subsets=num_subsets)
    subset_size, num_subsets = int(subset_size), int(num_subsets)
    check_samples(1, a=a, b=b)
    if num_subsets < 2 or subset_size > min(len(a), len(b)):
        raise ValueError(
            f"num_subsets must be at least 2, and subset_size at most the rows of either set; got num_subsets "
            f"{num_subsets}, subset_size {subset_size}, a {a.shape}, b {b.shape}"
        )

    def of_subset(key: PRNGKeyArray) -> Array:
        some = lambda key, x: jax.random.choice(key, x, (subset_size,), replace=False)
        key_a, key_b = jax.random.split(key)
        return metric(some(key_a, a), some(key_b, b))

    values = jax.lax.map(of_subset, jax.random.split(key, num_subsets))
    return nan_unless_finite(jnp.std(values, ddof=1), a, b)  # whether or not a subset drew the row
