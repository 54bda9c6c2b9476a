"""The energy model that can be summed: a table over a few discrete coordinates."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from genjax._checks import check_count, check_float, check_integer, check_key, check_scalar, check_values
from genjax.energy import LogPartition

__all__ = ["EnumerableEnergy"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class EnumerableEnergy:
    """An energy for each state of d discrete coordinates: everything about it is a finite sum.

    p(x) = exp(−E_x) / Z, Z = Σ_x exp(−E_x), x_i in 0..K_i−1

    Expectations are summed in full precision on every device.

    Args:
        energies: E, in nats, `[K_1, …, K_d]`; +∞ for a state of probability zero. As the table's leaf is the
            parameter, `jax.grad` of `log_prob` through `tabulate` is the exact gradient of the log-likelihood.

    >>> model = EnumerableEnergy(energies=jnp.log(jnp.array([1.0, 2.0, 4.0])))
    >>> print(f"{jnp.exp(model.log_partition().log_z):.4f} {jnp.exp(model.log_prob(jnp.array([2]))):.4f}")
    1.7500 0.1429
    """

    energies: Array  # without shapes, because transformations put batches and placeholders here

    @classmethod
    def tabulate(cls, energy_fn: Callable[[Array], Array], shape: tuple[int, ...]) -> "EnumerableEnergy":
        """The table of `energy_fn(x) -> scalar` over all integer vectors x with x_i in 0..shape_i−1."""
        energies = jax.vmap(energy_fn)(_states(shape))
        check_float(energies=energies)
        if energies.ndim != 1:
            check_scalar("energy_fn(x)", energies[0])
        return cls(jnp.reshape(energies, shape))

    @property
    def states(self) -> Integer[Array, "m d"]:
        """Every state, `[m, d]`, in the order of the flattened table."""
        return _states(self.energies.shape)

    def energy(self, x: Integer[Array, " d"]) -> Float[Array, ""]:
        """The energy of x, in nats."""
        check_integer(x=x)
        shape = jnp.asarray(self.energies.shape)
        if jnp.shape(x) != shape.shape:
            raise ValueError(
                f"x must have one entry for each axis of the table {self.energies.shape}; got {x.shape}"
            )
        x = jnp.asarray(x).astype(shape.dtype)
        inside = (x >= 0) & (x < shape)
        check_values("x", x, inside, f"be a state of the table {self.energies.shape}")
        return jnp.where(jnp.all(inside), self._valid()[tuple(x)], jnp.nan)

    def log_partition(self) -> LogPartition:
        """The exact log Z, in nats."""
        log_z = jax.nn.logsumexp(-self._valid())
        return LogPartition(log_z, jnp.zeros_like(log_z))

    def log_prob(self, x: Integer[Array, " d"]) -> Float[Array, ""]:
        """The log-probability of x, in nats."""
        return -self.energy(x) - self.log_partition().log_z

    def probabilities(self) -> Float[Array, "..."]:
        """The probability of every state, of the table's shape."""
        return jnp.exp(-self._valid() - self.log_partition().log_z)

    def expectation(self, fn: Callable[[Array], Array]) -> Array:
        """The expectation E_p[fn(x)] for `fn(x)` of one integer state, of any floating-point shape."""
        return jnp.tensordot(
            jnp.ravel(self.probabilities()), jax.vmap(fn)(self.states), axes=1, precision=Precision.HIGHEST
        )

    def moments(self) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
        """Mean and covariance of x."""
        floats = lambda x: x.astype(self.energies.dtype)
        mean = self.expectation(floats)
        deviation = lambda x: floats(x) - mean
        return mean, self.expectation(lambda x: jnp.outer(deviation(x), deviation(x)))

    def sample(self, key: PRNGKeyArray, n: int) -> Integer[Array, "n d"]:
        """Draw x n times, `[n, d]`."""
        check_key(key)
        check_count(n=n)
        return self.states[jax.random.categorical(key, -jnp.ravel(self._valid()), shape=(n,))]

    def _valid(self) -> Array:
        check_float(energies=self.energies)
        valid = self.energies > -jnp.inf
        check_values("energies", self.energies, valid, "be numbers or +inf")
        return jnp.where(valid, self.energies, jnp.nan)


def _states(shape: tuple[int, ...]) -> Integer[Array, "m d"]:
    return jnp.stack(jnp.unravel_index(jnp.arange(math.prod(shape)), shape), axis=-1)
