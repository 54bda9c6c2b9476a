"""Diversity of a set of samples: the numbers that fall when a generator collapses."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_scalar, check_values
from genjax.metrics._samples import check_samples, map_distances, nan_unless_finite, root
from genjax.metrics.neighbours import nearest

__all__ = ["Diversity", "ModeCoverage", "diversity", "mode_coverage"]


class Diversity(NamedTuple):
    """Spread of a set of samples.

    Args:
        variance: the total variance, tr Cov (n − 1 in the denominator), in squared units of the data.
        pairwise_distance: the mean Euclidean distance between two different samples.

    >>> print(Diversity(variance=jnp.array(2.0), pairwise_distance=jnp.array(1.5)).variance)
    2.0
    """

    variance: Array
    pairwise_distance: Array


class ModeCoverage(NamedTuple):
    """Which modes a set of samples reaches.

    Args:
        num_covered: modes with at least one sample within three standard deviations.
        high_quality: share of samples within three standard deviations of their nearest mode.

    >>> print(ModeCoverage(num_covered=jnp.array(8), high_quality=jnp.array(0.9)).num_covered)
    8
    """

    num_covered: Array
    high_quality: Array


def diversity(samples: Float[Array, "n d"]) -> Diversity:
    """Spread of a set of samples; both numbers fall to zero when all samples coincide.

    variance = 1/(n − 1) Σ_i ‖x_i − x̄‖²; pairwise distance = mean of ‖x_i − x_j‖ over i ≠ j

    Args:
        samples: `[n, d]`, n ≥ 2.

    Returns:
        `Diversity(variance, pairwise_distance)`.

    Raises:
        TypeError: `samples` is not floating point.
        ValueError: not `[n, d]`, fewer than two rows, or a NaN.

    >>> print(diversity(jnp.array([[0.0, 0.0], [3.0, 4.0]])).pairwise_distance)
    5.0
    """
    check_samples(2, samples=samples)
    n = samples.shape[0]
    centred = samples - jnp.mean(samples, axis=0, keepdims=True)

    def mean_distance(squares: Array, i: Array) -> Array:
        return jnp.sum(root(squares)) / (n - 1)  # a sample is at no distance from itself

    distances = map_distances(mean_distance, samples, samples)
    return Diversity(jnp.sum(centred**2) / (n - 1), jnp.mean(distances))


def mode_coverage(samples: Float[Array, "n d"], centers: Float[Array, "m d"], *, std: float) -> ModeCoverage:
    """Modes of a known mixture that samples reach, and the share of samples near one.

    A sample is of high quality within 3 std of its nearest centre; a mode is covered by one such sample.

    Args:
        samples: `[n, d]`.
        centers: the modes, `[m, d]`.
        std: the standard deviation of a mode, in units of the data, positive.

    Returns:
        `ModeCoverage(num_covered, high_quality)`.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes do not fit, no rows, a NaN, or `std` is not positive.

    Source: Lin et al. (2018), section 4.1; Srivastava et al. (2017), section 4.1.

    >>> centers = jnp.array([[0.0], [10.0]])
    >>> print(mode_coverage(jnp.array([[0.1], [5.0]]), centers, std=1.0))
    ModeCoverage(num_covered=Array(1, dtype=int32), high_quality=Array(0.5, dtype=float32))
    """
    check_samples(1, samples=samples, centers=centers)
    check_scalar("std", std)
    positive = jnp.asarray(std) > 0
    check_values("std", jnp.asarray(std), positive, "be positive")
    closest = nearest(samples, centers)
    close = closest.distances <= 3 * std
    hits = jnp.zeros(centers.shape[0], int).at[closest.indices].add(close.astype(int))
    share = nan_unless_finite(jnp.mean(close, dtype=samples.dtype), closest.distances)
    high_quality = jnp.where(positive, share, jnp.nan)
    return ModeCoverage(jnp.sum(hits > 0), high_quality)
