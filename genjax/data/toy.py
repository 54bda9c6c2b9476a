"""Densities in the plane with exact samplers and exact log-densities."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax.densities import normal_log_prob

__all__ = ["Circle"]


@dataclass(frozen=True)
class Circle:
    """A circle with Gaussian radial noise.

    r = R + s ε, x = r (cos θ, sin θ), θ uniform; p(x) = [N(|x|; R, s²) + N(−|x|; R, s²)] / (2π |x|)

    Args:
        radius: R.
        noise: s, positive.

    >>> x = Circle().sample(jax.random.key(0), 5)
    >>> x.shape, jax.vmap(Circle().log_prob)(x).shape
    ((5, 2), (5,))
    """

    radius: float = 2.0
    noise: float = 0.1

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_angle, key_noise = jax.random.split(key)
        angle = jax.random.uniform(key_angle, (n,), maxval=2 * math.pi)
        r = self.radius + self.noise * jax.random.normal(key_noise, (n,))
        return jnp.stack([r * jnp.cos(angle), r * jnp.sin(angle)], axis=-1)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats; +∞ at the origin, where it has no bound."""
        squared = jnp.sum(x**2)
        r = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
        log_var = jnp.full_like(r, 2 * math.log(self.noise))
        mean = jnp.full_like(r, self.radius)
        folded = jnp.logaddexp(normal_log_prob(r, mean, log_var), normal_log_prob(-r, mean, log_var))
        return folded - math.log(2 * math.pi) - jnp.log(r)
