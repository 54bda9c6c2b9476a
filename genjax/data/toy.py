"""Densities in the plane with exact samplers and log-densities in closed form."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count
from genjax.data.gaussians import check_positive
from genjax.densities import mixture_log_prob, normal_log_prob

__all__ = ["Checkerboard", "Circle", "Pinwheel"]


@dataclass(frozen=True)
class Circle:
    """A circle with Gaussian radial noise.

    r = R + s ε, x = r (cos θ, sin θ), θ uniform; p(x) = [N(|x|; R, s²) + N(−|x|; R, s²)] / (2π |x|)

    Args:
        radius: R.
        noise: s, positive.

    Raises:
        ValueError: `noise` is not positive.

    >>> x = Circle().sample(jax.random.key(0), 5)
    >>> x.shape, jax.vmap(Circle().log_prob)(x).shape
    ((5, 2), (5,))
    """

    radius: float = 2.0
    noise: float = 0.1

    def __post_init__(self) -> None:
        check_positive(noise=self.noise)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_angle, key_noise = jax.random.split(key)
        angle = jax.random.uniform(key_angle, (n,), maxval=2 * math.pi)
        r = self.radius + self.noise * jax.random.normal(key_noise, (n,))
        return jnp.stack([r * jnp.cos(angle), r * jnp.sin(angle)], axis=-1)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats; +∞ at the origin, where it has no bound."""
        r = _length(x)
        log_var = jnp.full_like(r, 2 * math.log(self.noise))
        mean = jnp.full_like(r, self.radius)
        folded = jnp.logaddexp(normal_log_prob(r, mean, log_var), normal_log_prob(-r, mean, log_var))
        return folded - math.log(2 * math.pi) - jnp.log(r)


@dataclass(frozen=True)
class Checkerboard:
    """Uniform on the eight dark squares of a 4×4 board on [−4, 4)².

    p(x) = 1/32 where ⌊x₁/2⌋ + ⌊x₂/2⌋ is even and x lies on the board, else 0

    Source: Grathwohl et al. (2019), figure 2.

    >>> print(jax.vmap(Checkerboard().log_prob)(jnp.array([[1.0, 1.0], [1.0, -1.0]])))
    [-3.465736      -inf]
    """

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_square, key_place = jax.random.split(key)
        column, pair = jax.random.randint(key_square, (2, n), 0, jnp.array([[4], [2]]))
        corner = jnp.stack([column, 2 * pair + column % 2], axis=-1) - 2
        place = jax.random.uniform(key_place, (n, 2))
        # The draw is a multiple of the float's spacing at 1, so the sum is exact and never leaves its square.
        return 2 * (corner.astype(place.dtype) + place)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats; −∞ off the dark squares."""
        on_board = jnp.all((x >= -4) & (x < 4))
        dark = jnp.sum(jnp.floor(x / 2)) % 2 == 0
        return jnp.where(on_board & dark, jnp.full_like(x[0], -math.log(32)), -jnp.inf)


@dataclass(frozen=True)
class Pinwheel:
    """Gaussian arms bent into a wheel.

    y ~ N((R, 0), diag(s_r², s_t²)), x = Rot(2πk/K + ω |y|) y, k uniform in 0..K−1;
    p(x) = 1/K Σ_k N(Rot(−2πk/K − ω |x|) x; (R, 0), diag(s_r², s_t²))

    The angle depends on the radius alone, which the rotation keeps: the map has an inverse and preserves area.

    Args:
        num_arms: K.
        radius: R.
        radial_std: s_r, positive.
        tangential_std: s_t, positive.
        rate: ω, radians per unit of radius; 0 leaves the arms straight.

    Raises:
        TypeError: `num_arms` is not a Python integer.
        ValueError: `num_arms` is below 1, or a standard deviation is not positive.

    Source: after Johnson et al. (2016), whose angle depends on exp y₁ and so bends area.

    >>> print(f"{Pinwheel(num_arms=1, rate=0.0).log_prob(jnp.array([1.0, 0.0])):.4f}")
    1.6687
    """

    num_arms: int = 5
    radius: float = 1.0
    radial_std: float = 0.3
    tangential_std: float = 0.1
    rate: float = 0.7

    def __post_init__(self) -> None:
        check_count(num_arms=self.num_arms)
        check_positive(radial_std=self.radial_std, tangential_std=self.tangential_std)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_arm, key_noise = jax.random.split(key)
        noise = jax.random.normal(key_noise, (n, 2))
        mean = jnp.array([self.radius, 0.0], noise.dtype)
        std = jnp.array([self.radial_std, self.tangential_std], noise.dtype)
        arm = jax.random.randint(key_arm, (n,), 0, self.num_arms).astype(noise.dtype)
        bend = lambda noise, arm: self._turn(mean + std * noise, arm, 1.0)
        return jax.vmap(bend)(noise, 2 * math.pi / int(self.num_arms) * arm)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        mean = jnp.array([self.radius, 0.0], x.dtype)
        log_var = 2 * jnp.log(jnp.array([self.radial_std, self.tangential_std], x.dtype))
        arms = 2 * math.pi / int(self.num_arms) * jnp.arange(self.num_arms, dtype=x.dtype)
        component = lambda x, arm: normal_log_prob(self._turn(x, -arm, -1.0), mean, log_var)
        return mixture_log_prob(component, x, jnp.zeros_like(arms), arms)

    def _turn(self, x: Array, arm: Array, sign: float) -> Array:
        """Turn a point: Rot(arm ± ω |x|) x."""
        angle = arm + sign * self.rate * _length(x)
        c, s = jnp.cos(angle), jnp.sin(angle)
        return jnp.stack([c * x[0] - s * x[1], s * x[0] + c * x[1]])


def _length(x: Float[Array, "2"]) -> Float[Array, ""]:
    """The length |x|, with gradient zero at the origin."""
    squared = jnp.sum(x**2)
    nonzero = squared > 0
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, squared, 1.0)), 0.0)
