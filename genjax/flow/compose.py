"""Bijectors made of bijectors."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.flow.bijector import Bijector

__all__ = ["Chain", "Fixed", "Invert", "Split"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Chain:
    """The composition of bijectors, listed from noise to data.

    x = f_K(… f_2(f_1(z))), log |det dx/dz| = Σ_k log |det df_k|

    Args:
        bijectors: (f_1, …, f_K); the first meets the noise, the last gives the data.

    Source: Rezende and Mohamed (2015), equations 6 and 7.

    >>> from genjax.flow import Affine
    >>> double = Affine(shift=jnp.zeros(1), log_scale=jnp.log(jnp.full(1, 2.0)))
    >>> x, log_det = Chain((double, double)).forward(jnp.ones(1))
    >>> print(x, f"{log_det:.4f}")
    [4.] 1.3863
    """

    bijectors: tuple[Bijector, ...]

    def forward(self, z: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Noise to data."""
        total = jnp.zeros((), z.dtype)
        for bijector in self.bijectors:
            z, log_det = bijector.forward(z)
            total = total + log_det
        return z, total

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Data to noise."""
        total = jnp.zeros((), x.dtype)
        for bijector in reversed(self.bijectors):
            x, log_det = bijector.inverse(x)
            total = total + log_det
        return x, total


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Invert:
    """A bijector run backwards: the inverse autoregressive flow is `Invert(MaskedAutoregressive(...))`.

    Args:
        bijector: its inverse becomes the forward map.

    >>> from genjax.flow import Affine
    >>> x, log_det = Invert(Affine(shift=jnp.ones(1), log_scale=jnp.ones(1))).forward(jnp.ones(1))
    >>> print(x, log_det)
    [0.] -1.0
    """

    bijector: Bijector

    def forward(self, z: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Noise to data."""
        return self.bijector.inverse(z)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Data to noise."""
        return self.bijector.forward(x)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Fixed:
    """A bijector whose parameters receive no gradient; the gradient passes through it to the data.

    Args:
        bijector: left as it is.

    >>> from genjax.flow import Affine
    >>> fixed = Fixed(Affine(shift=jnp.ones(1), log_scale=jnp.ones(1)))
    >>> print(jax.grad(lambda f: f.inverse(jnp.ones(1))[1])(fixed).bijector.log_scale)
    [0.]
    """

    bijector: Bijector

    def forward(self, z: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Noise to data."""
        return jax.lax.stop_gradient(self.bijector).forward(z)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Data to noise."""
        return jax.lax.stop_gradient(self.bijector).inverse(x)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Split:
    """A bijector on the first half of the last axis; the other half passes: a multi-scale architecture.

    Seen from the data, the half that passes is factored out: it is noise already, and only the other half goes on
    to the next scale. Noise and data keep one shape, because N(0, I) does not mind where its coordinates stand. With

    level = Chain((Squeeze(), Split(next_level), *steps, Invert(Squeeze())))

    nested as `next_level`, this is Glow's architecture on `[H, W, C]`; the innermost level has no `Split`.

    Args:
        bijector: of events like half of the whole, and back to that shape.

    Source: Dinh et al. (2017), section 3.6.

    >>> from genjax.flow import Affine
    >>> x, log_det = Split(Affine(shift=jnp.ones(1), log_scale=jnp.zeros(1))).forward(jnp.zeros(2))
    >>> print(x, log_det)
    [1. 0.] 0.0
    """

    bijector: Bijector

    def forward(self, z: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Noise to data."""
        half, passing = halves(z)
        half, log_det = self.bijector.forward(half)
        return jnp.concatenate([half, passing], axis=-1), log_det

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Array, Float[Array, ""]]:
        """Data to noise."""
        half, passing = halves(x)
        half, log_det = self.bijector.inverse(half)
        return jnp.concatenate([half, passing], axis=-1), log_det


def halves(event: Array) -> tuple[Array, Array]:
    """Halve the last axis."""
    shape = jnp.shape(event)
    if not shape or shape[-1] % 2:
        raise ValueError(f"the last axis of the event must be even to be halved; got shape {shape}")
    first, second = jnp.split(event, 2, axis=-1)
    return first, second
