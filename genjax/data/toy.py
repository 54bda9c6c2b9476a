"""Densities in the plane with exact samplers and log-densities."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax._checks import check_count
from genjax.densities import mixture_log_prob, normal_log_prob

__all__ = [
    "Checkerboard",
    "Circle",
    "GaussianGrid",
    "GaussianRing",
    "Pinwheel",
    "TwoMoons",
    "TwoSpirals",
]


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
        _check_positive(noise=self.noise)

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
        _check_positive(std=self.std)

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
        return _gaussians_log_prob(x, np.zeros(self.num_modes), self.centers, self.std)


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
        _check_positive(std=self.std)

    @property
    def centers(self) -> np.ndarray:
        """The means, `[K², 2]`, as `mode_coverage` takes them."""
        places = self.spacing * (np.arange(self.side) - (self.side - 1) / 2)
        return np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        return _sample_gaussians(key, n, self.centers, self.std)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        return _gaussians_log_prob(x, np.zeros(self.side**2), self.centers, self.std)


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
        rate: ω, radians a unit of radius; 0 leaves the arms straight.

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
        _check_positive(radial_std=self.radial_std, tangential_std=self.tangential_std)

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n 2"]:
        """Draw n points, `[n, 2]`."""
        key_arm, key_noise = jax.random.split(key)
        noise = jax.random.normal(key_noise, (n, 2))
        mean = jnp.array([self.radius, 0.0], noise.dtype)
        std = jnp.array([self.radial_std, self.tangential_std], noise.dtype)
        arm = jax.random.randint(key_arm, (n,), 0, self.num_arms).astype(noise.dtype)
        bend = lambda noise, arm: self._turn(mean + std * noise, arm, 1.0)
        return jax.vmap(bend)(noise, 2 * math.pi / self.num_arms * arm)

    def log_prob(self, x: Float[Array, "2"]) -> Float[Array, ""]:
        """Log-density of one point, in nats."""
        mean = jnp.array([self.radius, 0.0], x.dtype)
        log_var = 2 * jnp.log(jnp.array([self.radial_std, self.tangential_std], x.dtype))
        arms = 2 * math.pi / self.num_arms * jnp.arange(self.num_arms, dtype=x.dtype)
        component = lambda x, arm: normal_log_prob(self._turn(x, -arm, -1.0), mean, log_var)
        return mixture_log_prob(component, x, jnp.zeros_like(arms), arms)

    def _turn(self, x: Array, arm: Array, sign: float) -> Array:
        """Rot(arm ± ω |x|) x."""
        angle = arm + sign * self.rate * _length(x)
        c, s = jnp.cos(angle), jnp.sin(angle)
        return jnp.stack([c * x[0] - s * x[1], s * x[0] + c * x[1]])


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
        _check_positive(noise=self.noise)

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
        _check_positive(noise=self.noise)

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
    """The two centres at θ = π v."""
    c, s = jnp.cos(math.pi * v), jnp.sin(math.pi * v)
    return jnp.stack([jnp.stack([c, s]), jnp.stack([1 - c, 0.5 - s])])


def _spirals(v: Float[Array, ""]) -> Float[Array, "2 2"]:
    """The two centres ±c(v)."""
    c = math.pi * v * jnp.stack([-jnp.cos(3 * math.pi * v), jnp.sin(3 * math.pi * v)])
    return jnp.stack([c, -c])


def _sample_curves(
    key: PRNGKeyArray, curves: Callable[[Array], Array], v: Float[Array, " n"], noise: float
) -> Float[Array, "n 2"]:
    """A point near one of the two curves for each place v."""
    key_curve, key_noise = jax.random.split(key)
    first, second = jnp.moveaxis(jax.vmap(curves)(v), 1, 0)
    centre = jnp.where(jax.random.bernoulli(key_curve, shape=(len(v), 1)), first, second)
    return centre + noise * jax.random.normal(key_noise, centre.shape)


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
    centres = jax.vmap(curves)(jnp.asarray(v, x.dtype))
    return _gaussians_log_prob(x, np.repeat(log_weights, 2), jnp.reshape(centres, (-1, 2)), noise)


def _gaussians_log_prob(
    x: Float[Array, "2"], logits: np.ndarray, centres: np.ndarray | Array, std: float
) -> Float[Array, ""]:
    """Log-density of a mixture of round Gaussians of one width."""
    log_var = jnp.asarray(2 * math.log(std), x.dtype)
    component = lambda x, centre: normal_log_prob(x, centre, log_var)
    return mixture_log_prob(component, x, jnp.asarray(logits, x.dtype), jnp.asarray(centres, x.dtype))


def _sample_gaussians(key: PRNGKeyArray, n: int, centres: np.ndarray, std: float) -> Float[Array, "n 2"]:
    """Points of a mixture of equal round Gaussians."""
    key_mode, key_noise = jax.random.split(key)
    mode = jax.random.randint(key_mode, (n,), 0, len(centres))
    noise = jax.random.normal(key_noise, (n, 2))
    return jnp.asarray(centres, noise.dtype)[mode] + std * noise


def _length(x: Float[Array, "2"]) -> Float[Array, ""]:
    """|x|, with gradient zero at the origin."""
    squared = jnp.sum(x**2)
    nonzero = squared > 0
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, squared, 1.0)), 0.0)


def _check_positive(**values: float) -> None:
    """Raise ValueError, quoting the value, unless each is positive and finite."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite; got {value}")
