"""Mean and covariance of samples that come in parts: what the Fréchet distance needs of any number of them."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_full_precision, check_same_shape
from genjax._procrustes import aligned_distance
from genjax.metrics._samples import check_samples

__all__ = ["Moments", "combine_moments", "frechet_from_moments", "moments"]


class Moments(NamedTuple):
    """Mean and scatter of a set of samples, in memory that does not grow with their number.

    Args:
        num: n, how many samples, as a float.
        mean: their mean, `[d]`.
        factor: R with Rᵀ R = Σ (x − mean)(x − mean)ᵀ, `[d, d]`: a root of the scatter, so that nothing is squared and
            small variances keep their digits.

    >>> part = Moments(num=jnp.array(2.0), mean=jnp.zeros(1), factor=jnp.ones((1, 1)))
    >>> print(part.num)
    2.0
    """

    num: Array
    mean: Array
    factor: Array


def moments(samples: Float[Array, "n d"]) -> Moments:
    """Count, mean and a root of the scatter of one part of the samples.

    mean = 1/n Σ x_i, Rᵀ R = Σ (x_i − mean)(x_i − mean)ᵀ

    Args:
        samples: `[n, d]`, one or more.

    Returns:
        `Moments`; `combine_moments` joins parts, of batches in turn or of devices.

    Raises:
        TypeError: `samples` is not floating point, or narrower than float32.
        ValueError: not `[n, d]`, no rows, or a NaN.

    >>> print(moments(jnp.array([[1.0], [3.0]])).mean)
    [2.]
    """
    check_full_precision(samples=samples)
    check_samples(1, samples=samples)
    mean = jnp.mean(samples, axis=0)
    return Moments(jnp.asarray(len(samples), samples.dtype), mean, _root(samples - mean[None]))


def combine_moments(a: Moments, b: Moments) -> Moments:
    """The moments of two parts together.

    Rᵀ R = R_aᵀ R_a + R_bᵀ R_b + n_a n_b/(n_a + n_b) (m_a − m_b)(m_a − m_b)ᵀ, by one QR decomposition of the stack

    Args:
        a: of one part.
        b: of another, of the same d.

    Returns:
        `Moments` of both, whatever the order of the parts up to round-off.

    Raises:
        ValueError: the parts differ in d.

    Source: Chan, Golub and LeVeque (1983), equation 2.1.

    >>> a, b = moments(jnp.array([[1.0]])), moments(jnp.array([[3.0]]))
    >>> print(combine_moments(a, b).mean, f"{jnp.abs(combine_moments(a, b).factor[0, 0]):.4f}")
    [2.] 1.4142
    """
    check_same_shape(mean_a=a.mean, mean_b=b.mean)
    num = a.num + b.num
    shift = jnp.sqrt(a.num * b.num / num) * (a.mean - b.mean)
    mean = a.mean + (b.num / num) * (b.mean - a.mean)
    return Moments(num, mean, _root(jnp.concatenate([a.factor, b.factor, shift[None]])))


def frechet_from_moments(a: Moments, b: Moments) -> Float[Array, ""]:
    """`frechet_distance` of samples that are no longer there.

    d² = ‖m_a − m_b‖² + tr(A + B − 2 (A^½ B A^½)^½), A = R_aᵀ R_a / (n_a − 1)

    Args:
        a: moments of one set, of two samples at least.
        b: moments of the other.

    Returns:
        The squared distance, in squared units of the features; NaN where a set has one sample.

    Raises:
        ValueError: the sets differ in d.

    Source: Heusel et al. (2017), equation 6.

    >>> a = moments(jnp.array([[0.0], [2.0]]))
    >>> print(f"{frechet_from_moments(a, a._replace(mean=a.mean + 3)):.4f}")
    9.0000
    """
    check_same_shape(mean_a=a.mean, mean_b=b.mean)
    left, right = (part.factor.T / jnp.sqrt(part.num - 1) for part in (a, b))
    return jnp.sum((a.mean - b.mean) ** 2) + aligned_distance(left, right)


def _root(rows: Array) -> Float[Array, "d d"]:
    """A triangular R with Rᵀ R = rowsᵀ rows."""
    d = rows.shape[1]
    short = max(0, d - rows.shape[0])
    return jnp.linalg.qr(jnp.pad(rows, ((0, short), (0, 0))), mode="r")
