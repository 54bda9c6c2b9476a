"""The Fréchet distance between two sets of samples."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_full_precision
from genjax._procrustes import aligned_distance
from genjax.metrics._samples import check_samples

__all__ = ["frechet_distance"]


def frechet_distance(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, ""]:
    """Squared Fréchet distance between Gaussians fitted to two sets; FID when the features are Inception's.

    d² = ‖m_a − m_b‖² + tr(A + B − 2 (A^½ B A^½)^½), with sample means and covariances (n − 1)

    No covariance is formed: its factor is the centred samples, so that any n ≥ 2 will do, singular covariances have
    a value and a gradient, and d² is a sum of squares, never negative. It is biased upwards, by an amount that falls
    with n and is large where n ≤ d: compare at equal n only. Matrix products run in full precision on every device.

    Args:
        a: `[n, d]`, n ≥ 2.
        b: `[m, d]`, m ≥ 2.

    Returns:
        The squared distance, in squared units of the features.

    Raises:
        TypeError: an argument is not floating point, or narrower than float32.
        ValueError: shapes do not fit, fewer than two rows, or a NaN.

    Source: Heusel et al. (2017), equation 6.

    >>> a = jnp.array([[0.0], [2.0]])
    >>> print(f"{frechet_distance(a, a + 3):.4f}")
    9.0000
    """
    check_full_precision(a=a, b=b)
    check_samples(2, a=a, b=b)
    origin = jnp.mean(a, axis=0)  # of both sets, so that features far from zero keep their digits
    (mean_a, left), (mean_b, right) = _moments(a - origin[None]), _moments(b - origin[None])
    return jnp.sum((mean_a - mean_b) ** 2) + aligned_distance(left, right)


def _moments(samples: Array) -> tuple[Float[Array, " d"], Float[Array, "d n"]]:
    """The mean, and a factor L of the covariance: L Lᵀ = Σ (x − mean)(x − mean)ᵀ / (n − 1)."""
    mean = jnp.mean(samples, axis=0)
    return mean, (samples - mean[None]).T / (samples.shape[0] - 1) ** 0.5
