"""Equal round Gaussians on a line and in the plane, with exact samplers and log-densities."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count
from genjax.densities import mixture_log_prob, normal_log_prob

__all__ = ["GaussianGrid", "GaussianLine", "GaussianRing", "check_positive", "gaussians_log_prob"]


@dataclass(frozen=True)
class GaussianRing:
    """Equal Gaussians around a circle.

    p(x) = 1/K Σ_k N(x; R (cos 2πk/K, sin 2πk/K), s² I)

    Args:
        num_modes: K.
        radius: R.
        std: s, positive.

    Raises:
        TypeError: `num_modes` is not a Python integer.
        ValueError: `num_modes` is below 1, or `std` is not positive.

    Source: Metz et al. (2017).

    >>> print(f"{GaussianRing(num_modes=1).log_prob(jnp.array([2.0, 0.0])):.4f}")
    2.7673
    """

    num_modes: int = 8
    radius: float = 2.0
    std: float = 0.1

    def __post_init__(self) -> None:
        check_count(num_modes=self.num_modes)
        check_positive(std=self.std)

    @property
    def centers(self) -> np.ndarray:
        """The means, `[K, 2]`, as `mode_coverage` takes them."""
        angle = 2 * math.pi * np.arange(self.num_modes) / self.num_modes
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        return _sample_gaussians(key, n, self.centers, self.std)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        return gaussians_log_prob(x, np.zeros(self.num_modes), self.centers, self.std)


@dataclass(frozen=True)
class GaussianGrid:
    """Equal Gaussians on a square grid around the origin.

    p(x) = 1/K² Σ_jk N(x; h (j, k), s² I), j and k in −(K−1)/2, …, (K−1)/2

    Args:
        side: K, the Gaussians along one side.
        spacing: h, between neighbours.
        std: s, positive.

    Raises:
        TypeError: `side` is not a Python integer.
        ValueError: `side` is below 1, or `std` is not positive.

    Source: Srivastava et al. (2017).

    >>> print(GaussianGrid().centers[:2])
    [[-4. -4.]
     [-4. -2.]]
    """

    side: int = 5
    spacing: float = 2.0
    std: float = 0.05

    def __post_init__(self) -> None:
        check_count(side=self.side)
        check_positive(std=self.std)

    @property
    def centers(self) -> np.ndarray:
        """The means, `[K², 2]`, as `mode_coverage` takes them."""
        places = _places(self.side, self.spacing)
        return np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        return _sample_gaussians(key, n, self.centers, self.std)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        return gaussians_log_prob(x, np.zeros(int(self.side) ** 2), self.centers, self.std)


@dataclass(frozen=True)
class GaussianLine:
    """Equal Gaussians in a row, in one dimension.

    p(x) = 1/K Σ_k N(x; h (k − (K−1)/2), s²), k in 0, …, K−1

    Args:
        num_modes: K.
        spacing: h, between neighbours.
        std: s, positive.

    Raises:
        TypeError: `num_modes` is not a Python integer.
        ValueError: `num_modes` is below 1, or `std` is not positive.

    >>> print(GaussianLine().centers.ravel())
    [-1.5  1.5]
    """

    num_modes: int = 2
    spacing: float = 3.0
    std: float = 0.5

    def __post_init__(self) -> None:
        check_count(num_modes=self.num_modes)
        check_positive(std=self.std)

    @property
    def centers(self) -> np.ndarray:
        """The means, `[K, 1]`, as `mode_coverage` takes them."""
        return _places(self.num_modes, self.spacing)[:, None]

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 1"]:
        """Draw n points, `[n, 1]`."""
        return _sample_gaussians(key, n, self.centers, self.std)

    def log_prob(self, x: Float[Array, "1"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        return gaussians_log_prob(x, np.zeros(int(self.num_modes)), self.centers, self.std)


def _places(count: int, spacing: float) -> np.ndarray:
    """Numbers in a row around 0."""
    return spacing * (np.arange(count) - (count - 1) / 2)


def gaussians_log_prob(
    x: Float[Array, " d"], logits: np.ndarray, centers: np.ndarray | Array, std: float
) -> Float[Array, ""]:
    """Log-density of a mixture of round Gaussians of one width."""
    log_var = jnp.asarray(2 * math.log(std), x.dtype)
    component = lambda x, center: normal_log_prob(x, center, log_var)
    return mixture_log_prob(component, x, jnp.asarray(logits, x.dtype), jnp.asarray(centers, x.dtype))


def _sample_gaussians(key: PRNGKeyArray, n: int, centers: np.ndarray, std: float) -> Float[Array, "n d"]:
    """Points of a mixture of equal round Gaussians."""
    key_mode, key_noise = jax.random.split(key)
    mode = jax.random.randint(key_mode, (n,), 0, len(centers))
    noise = jax.random.normal(key_noise, (n, centers.shape[1]))
    return jnp.asarray(centers, noise.dtype)[mode] + std * noise


def check_positive(**values: float) -> None:
    """Raise ValueError, quoting the value, unless each is positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite; got {value}")
