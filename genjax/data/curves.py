"""Densities around curves in the plane, with exact samplers and log-densities by quadrature."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax.data.gaussians import check_positive, gaussians_log_prob

__all__ = ["TwoMoons", "TwoSpirals"]


@dataclass(frozen=True)
class TwoMoons:
    """Two interleaved half circles with Gaussian noise.

    c₁(θ) = (cos θ, sin θ), c₂(θ) = (1 − cos θ, ½ − sin θ), p(x) = ½ Σ_j 1/π ∫₀^π N(x; c_j(θ), s² I) dθ

    The integral is taken by quadrature, to an error below 1e-6 in log p within 10 s of the moons.

    Args:
        noise: s, positive.

    Raises:
        ValueError: `noise` is not positive.

    Source: Pedregosa et al. (2011), `make_moons`.

    >>> x = TwoMoons().sample(jax.random.key(0), 5)
    >>> x.shape, jax.vmap(TwoMoons().log_prob)(x).shape
    ((5, 2), (5,))
    """

    noise: float = 0.05

    def __post_init__(self) -> None:
        check_positive(noise=self.noise)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_place, key_noise = jax.random.split(key)
        return _sample_curves(key_noise, _moons, jax.random.uniform(key_place, (n,)), self.noise)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        return _curves_log_prob(x, _moons, np.ones_like, math.pi, self.noise)


@dataclass(frozen=True)
class TwoSpirals:
    """Two spirals of one and a half turns with Gaussian noise.

    c(v) = π v (−cos 3πv, sin 3πv), v = √u, u ~ U(0, 1), p(x) = ½ Σ_± ∫₀¹ N(x; ±c(v), s² I) 2v dv

    The integral is taken by quadrature, to an error below 1e-6 in log p within 10 s of the spirals.

    Args:
        noise: s, positive.

    Raises:
        ValueError: `noise` is not positive.

    Source: Grathwohl et al. (2019), figure 2, with Gaussian noise alone.

    >>> x = TwoSpirals().sample(jax.random.key(0), 5)
    >>> x.shape, jax.vmap(TwoSpirals().log_prob)(x).shape
    ((5, 2), (5,))
    """

    noise: float = 0.1

    def __post_init__(self) -> None:
        check_positive(noise=self.noise)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_place, key_noise = jax.random.split(key)
        v = jnp.sqrt(jax.random.uniform(key_place, (n,)))
        return _sample_curves(key_noise, _spirals, v, self.noise)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        fastest = math.pi * math.hypot(1, 3 * math.pi)
        return _curves_log_prob(x, _spirals, lambda v: 2 * v, fastest, self.noise)


def _moons(v: Float[Array, ""]) -> Float[Array, "2 2"]:
    """The two centers at θ = π v."""
    c, s = jnp.cos(math.pi * v), jnp.sin(math.pi * v)
    return jnp.stack([jnp.stack([c, s]), jnp.stack([1 - c, 0.5 - s])])


def _spirals(v: Float[Array, ""]) -> Float[Array, "2 2"]:
    """The two centers ±c(v)."""
    c = math.pi * v * jnp.stack([-jnp.cos(3 * math.pi * v), jnp.sin(3 * math.pi * v)])
    return jnp.stack([c, -c])


def _sample_curves(
    key: PRNGKeyArray, curves: Callable[[Array], Array], v: Float[Array, " n"], noise: float
) -> Float[Array, "n 2"]:
    """A point near one of the two curves for each place v."""
    key_curve, key_noise = jax.random.split(key)
    first, second = jnp.moveaxis(jax.vmap(curves)(v), 1, 0)
    center = jnp.where(jax.random.bernoulli(key_curve, shape=(len(v), 1)), first, second)
    return center + noise * jax.random.normal(key_noise, center.shape)


def _curves_log_prob(
    x: Float[Array, "2"],
    curves: Callable[[Array], Array],
    density: Callable[[np.ndarray], np.ndarray],
    fastest: float,
    noise: float,
) -> Float[Array, ""]:
    """Log-density near two equal curves over v in [0, 1], of speed at most `fastest`, by Gauss–Legendre panels."""
    # A panel of 32 nodes spans 12 s at most: neighbours stand 0.6 s apart, where the rule has converged on a
    # Gaussian of width s. Panels keep the nodes as cheap for a small s as for a large one.
    num_panels = math.ceil(fastest / (12 * noise))
    nodes, weights = np.polynomial.legendre.leggauss(32)
    v = ((np.arange(num_panels)[:, None] + (nodes + 1) / 2) / num_panels).ravel()
    log_weights = np.log(np.tile(weights, num_panels) * density(v))
    centers = jax.vmap(curves)(jnp.asarray(v, x.dtype))
    return gaussians_log_prob(x, np.repeat(log_weights, 2), jnp.reshape(centers, (-1, 2)), noise)
