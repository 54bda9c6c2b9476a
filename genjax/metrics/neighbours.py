"""Metrics by nearest neighbours: quality and diversity apart."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_count
from genjax.metrics._samples import check_samples, squared_distances

__all__ = ["PrecisionRecall", "precision_recall"]


class PrecisionRecall(NamedTuple):
    """Quality and diversity of samples, apart.

    Args:
        precision: share of fake samples within the real ones' support.
        recall: share of real samples within the fake ones' support.

    >>> print(PrecisionRecall(precision=jnp.array(0.9), recall=jnp.array(0.5)).recall)
    0.5
    """

    precision: Array
    recall: Array


def precision_recall(real: Float[Array, "n d"], fake: Float[Array, "m d"], *, k: int = 3) -> PrecisionRecall:
    """How many samples look real, and how much of the real data they reach.

    precision = share of fake within the k-th neighbour distance of some real sample; recall swaps the two sets

    Both depend on the number of samples: compare at equal n and m only. Distances take `[n, m]` memory.

    Args:
        real: `[n, d]`, n > k.
        fake: `[m, d]`, m > k.
        k: which neighbour sets the radius; a sample is not its own neighbour.

    Returns:
        `PrecisionRecall(precision, recall)`, each in [0, 1].

    Raises:
        TypeError: an argument is not floating point, or `k` is no integer.
        ValueError: shapes do not fit, too few rows for `k`, or a NaN.

    Source: Kynkäänniemi et al. (2019), equations 1 and 2.

    >>> real = jnp.array([[0.0], [1.0], [2.0]])
    >>> print(precision_recall(real, jnp.array([[0.5], [9.0]]), k=1).precision)
    0.5
    """
    check_count(k=k)
    k = int(k)
    check_samples(k + 1, real=real, fake=fake)
    return PrecisionRecall(_share_within(fake, real, k), _share_within(real, fake, k))


def _share_within(points: Array, support: Array, k: int) -> Float[Array, ""]:
    """Share of `points` inside the union of the balls that reach each support point's k-th neighbour."""
    among = squared_distances(support, support)
    among = jnp.where(jnp.eye(len(support), dtype=bool), jnp.inf, among)
    radii = -jax.lax.top_k(-among, k)[0][:, -1]
    inside = squared_distances(points, support) <= radii[None]
    return jnp.mean(jnp.any(inside, axis=1), dtype=points.dtype)
