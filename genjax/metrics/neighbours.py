"""Metrics by nearest neighbours: quality and diversity apart, and copies of the training data."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from genjax._checks import check_count
from genjax.metrics._samples import check_samples, map_distances, nan_unless_finite, root

__all__ = [
    "DensityCoverage",
    "Nearest",
    "PrecisionRecall",
    "data_copying",
    "density_coverage",
    "nearest",
    "precision_recall",
]


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


class DensityCoverage(NamedTuple):
    """Quality and diversity of samples, apart, and less moved by outliers than precision and recall.

    Args:
        density: how many real balls a fake sample lies in, over k; no upper bound, 1 in the mean where the laws
            agree.
        coverage: share of real samples whose ball holds a fake one.

    >>> print(DensityCoverage(density=jnp.array(1.1), coverage=jnp.array(0.9)).coverage)
    0.9
    """

    density: Array
    coverage: Array


class Nearest(NamedTuple):
    """The closest row of another set.

    Args:
        indices: of the rows, the first of several at one distance.
        distances: Euclidean, in units of the data.

    >>> print(Nearest(indices=jnp.array([2]), distances=jnp.array([0.5])).indices)
    [2]
    """

    indices: Int[Array, " n"]
    distances: Float[Array, " n"]


def precision_recall(real: Float[Array, "n d"], fake: Float[Array, "m d"], *, k: int = 3) -> PrecisionRecall:
    """How many samples look real, and how much of the real data they reach.

    precision = share of fake within the k-th neighbour distance of some real sample; recall swaps the two sets

    Balls are closed. Both depend on the number of samples: compare at equal n and m only.

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

    def share_within(points: Array, support: Array) -> Float[Array, ""]:
        radii = _squared_radii(support, k)
        inside = map_distances(lambda squares, i: jnp.any(squares <= radii), points, support)
        return nan_unless_finite(jnp.mean(inside, dtype=points.dtype), points, support)

    return PrecisionRecall(share_within(fake, real), share_within(real, fake))


def density_coverage(real: Float[Array, "n d"], fake: Float[Array, "m d"], *, k: int = 5) -> DensityCoverage:
    """How thickly samples lie around real ones, and how many real ones have a sample near them.

    density = 1/(k m) Σ_j Σ_i 1[‖y_j − x_i‖ ≤ r_i]; coverage = 1/n Σ_i 1[some ‖y_j − x_i‖ ≤ r_i]; r_i reaches the k-th
    neighbour of x_i among the real samples

    Args:
        real: x, `[n, d]`, n > k.
        fake: y, `[m, d]`.
        k: which neighbour sets the radius; a sample is not its own neighbour.

    Returns:
        `DensityCoverage(density, coverage)`.

    Raises:
        TypeError: an argument is not floating point, or `k` is no integer.
        ValueError: shapes do not fit, too few rows for `k`, or a NaN.

    Source: Naeem et al. (2020), equations 3 and 4.

    >>> real = jnp.array([[0.0], [1.0], [2.0]])
    >>> result = density_coverage(real, jnp.array([[0.5], [9.0]]), k=1)
    >>> print(f"{result.density} {result.coverage:.2f}")
    1.0 0.67
    """
    check_count(k=k)
    k = int(k)
    check_samples(1, real=real, fake=fake)
    check_samples(k + 1, real=real)
    within = lambda squares, i, radius: jnp.sum(squares <= radius)
    counts = map_distances(within, real, fake, _squared_radii(real, k))
    density = jnp.sum(counts.astype(real.dtype) / (k * len(fake)))
    coverage = jnp.mean(counts > 0, dtype=real.dtype)
    return DensityCoverage(*(nan_unless_finite(value, real, fake) for value in (density, coverage)))


def nearest(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Nearest:
    """The row of one set that is nearest to each row of another.

    index i = argmin_j ‖a_i − b_j‖

    Args:
        a: `[n, d]`.
        b: `[m, d]`, such as training examples, or the centres of modes.

    Returns:
        `Nearest(indices, distances)`, each `[n]`.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes do not fit, no rows, or a NaN.

    >>> print(nearest(jnp.array([[0.5], [5.0]]), jnp.array([[0.0], [1.0]])))
    Nearest(indices=Array([0, 1], dtype=int32), distances=Array([0.5, 4. ], dtype=float32))
    """
    check_samples(1, a=a, b=b)
    indices = map_distances(lambda squares, i: jnp.argmin(squares), a, b)
    squares = jnp.sum((a - b[indices]) ** 2, axis=1)
    return Nearest(indices, root(squares))


def data_copying(
    train: Float[Array, "n d"], test: Float[Array, "m d"], fake: Float[Array, "k d"]
) -> Float[Array, ""]:
    """Whether samples copy training data: how often one lies nearer to them than a test example does.

    P(d(fake) < d(test)) + ½ P(d(fake) = d(test)), d the distance to the nearest training example

    One half for fresh samples of the law of the data and 1 for copies; below one half the samples lie farther off
    than data do. It sees copies and not quality.

    Args:
        train: what the model has learned from, `[n, d]`.
        test: examples of the same law that it has not seen, `[m, d]`.
        fake: its samples, `[k, d]`.

    Returns:
        A probability.

    Raises:
        TypeError: an argument is not floating point.
        ValueError: shapes do not fit, no rows, or a NaN.

    Source: Meehan et al. (2020), section 3, over the whole space.

    >>> train = jnp.array([[0.0], [1.0]])
    >>> print(data_copying(train, train + 0.1, train))
    1.0
    """
    check_samples(1, train=train, test=test, fake=fake)
    of_test = jnp.sort(nearest(test, train).distances)
    of_fake = nearest(fake, train).distances
    above, at_least = (jnp.searchsorted(of_test, of_fake, side=side) for side in ("right", "left"))
    smaller = 1 - (above + at_least) / (2 * len(test))
    return nan_unless_finite(jnp.mean(smaller).astype(of_fake.dtype), of_test, of_fake)


def _squared_radii(support: Array, k: int) -> Float[Array, " n"]:
    """The squared distance of each sample's k-th neighbour, itself left out."""

    def radius(squares: Array, i: Array) -> Array:
        others = jnp.where(jnp.arange(len(support)) == i, jnp.inf, squares)
        # k minima in turn: `top_k` takes six times as long on a CPU.
        without_least = lambda _, left: left.at[jnp.argmin(left)].set(jnp.inf)
        return jnp.min(jax.lax.fori_loop(0, k - 1, without_least, others))

    return map_distances(radius, support, support)
