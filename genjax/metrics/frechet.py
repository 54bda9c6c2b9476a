"""The Fréchet distance between two sets of samples."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.divergences import gaussian_frechet_distance
from genjax.metrics._samples import check_samples

__all__ = ["frechet_distance"]


def frechet_distance(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, ""]:
    """Squared Fréchet distance between Gaussians fitted to two sets; FID when the features are Inception's.

    d² = ‖m_a − m_b‖² + tr(A + B − 2 (A^½ B A^½)^½), with sample means and covariances (n − 1)

    It is biased upwards, by an amount that falls with n: compare at equal n only.

    Args:
        a: `[n, d]`, n > d.
        b: `[m, d]`, m > d.

    Returns:
        The squared distance, in squared units of the features.

    Raises:
        TypeError: an argument is not floating point, or narrower than float32.
        ValueError: shapes do not fit, no more rows than columns (a singular covariance), or a NaN.

    Source: Heusel et al. (2017), equation 6.

    >>> a = jnp.array([[0.0], [2.0]])
    >>> print(f"{frechet_distance(a, a + 3):.4f}")
    9.0000
    """
    check_samples(jnp.shape(a)[-1] + 1 if jnp.ndim(a) == 2 else 2, a=a, b=b)
    return gaussian_frechet_distance(*_moments(a), *_moments(b))


def _moments(samples: Array) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    mean = jnp.mean(samples, axis=0)
    centred = samples - mean[None]
    return mean, centred.T @ centred / (samples.shape[0] - 1)
