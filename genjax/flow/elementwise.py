"""Bijectors that move every coordinate by itself."""

import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_same_shape, check_values

__all__ = ["Affine", "Logit", "Sigmoid", "affine"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Affine:
    """Shift and scale of every coordinate.

    x = shift + exp(log_scale) ⊙ z, log |det dx/dz| = Σ log_scale

    Args:
        shift: of the event's shape.
        log_scale: of the event's shape.

    Source: Papamakarios et al. (2021), section 3.1.1.

    >>> x, log_det = Affine(shift=jnp.ones(1), log_scale=jnp.log(jnp.array([2.0]))).forward(jnp.ones(1))
    >>> print(x, f"{log_det:.4f}")
    [3.] 0.6931
    """

    shift: Array
    log_scale: Array

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        check_float(z=z, shift=self.shift, log_scale=self.log_scale)
        check_same_shape(z=z, shift=self.shift, log_scale=self.log_scale)
        return self.shift + jnp.exp(self.log_scale) * z, jnp.sum(self.log_scale)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise."""
        check_float(x=x, shift=self.shift, log_scale=self.log_scale)
        check_same_shape(x=x, shift=self.shift, log_scale=self.log_scale)
        return (x - self.shift) * jnp.exp(-self.log_scale), -jnp.sum(self.log_scale)


def affine(raw: Float[Array, "*event 2"], *, max_log_scale: float = 5.0) -> Affine:
    """Read two network outputs per coordinate as an `Affine`; zero outputs give the identity.

    shift = raw₀, log_scale = m tanh(raw₁ / m): bounded smoothly, so that no output overflows the exponential

    Args:
        raw: the outputs, with a last axis of two.
        max_log_scale: m, the bound on the log-scale, above and below.

    Returns:
        `Affine`, of the shape of `raw` without its last axis.

    Raises:
        TypeError: `raw` is not floating point.
        ValueError: the last axis of `raw` is not 2.

    Source: the bounded scale of Dinh et al. (2017), section 4.1.

    >>> x, log_det = affine(jnp.array([1.0, 0.0])).forward(jnp.array(2.0))
    >>> print(x, log_det)
    3.0 0.0
    """
    check_float(raw=raw)
    if jnp.shape(raw)[-1:] != (2,):
        raise ValueError(f"raw must be [*event, 2], a shift and a log-scale; got shape {jnp.shape(raw)}")
    return Affine(raw[..., 0], max_log_scale * jnp.tanh(raw[..., 1] / max_log_scale))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Logit:
    """The logit of numbers in the unit interval, squeezed away from its ends.

    x = logit(s), s = α + (1 − 2α) z; log |det dx/dz| = Σ [log(1 − 2α) − log s − log(1 − s)]

    A flow from noise to pixels ends with the inverse, `Sigmoid(alpha)`. Its density is then that of the pixels
    themselves: the Jacobian of this step is in `log_det`, and bits/dim need no further term for it.

    Args:
        alpha: α in [0, ½), static. The interval mapped is that where 0 < s < 1: (0, 1) for α = 0, and a little more
            for α > 0, so that a dequantised pixel of exactly 0 is inside.

    Source: Dinh et al. (2017), section 4.1; in this form Papamakarios et al. (2017).

    >>> x, log_det = Logit().forward(jnp.array([0.5]))
    >>> print(x, f"{log_det:.4f}")
    [0.] 1.3863
    """

    alpha: float = field(default=0.0, metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """The unit interval to the real line."""
        check_float(z=z)
        check_not_nan(z=z)
        alpha = _check_alpha(self.alpha)
        # Both distances are measured from their own end, so that neither loses digits near 1.
        low, high = alpha + (1 - 2 * alpha) * z, alpha + (1 - 2 * alpha) * (1 - z)
        inside = (low > 0) & (high > 0)
        margin = alpha / (1 - 2 * alpha)
        check_values("the argument of the logit", z, inside, f"lie in ({0 - margin:.8g}, {1 + margin:.8g})")
        log_low, log_high = (jnp.log(jnp.where(inside, distance, jnp.nan)) for distance in (low, high))
        return log_low - log_high, jnp.sum(math.log1p(-2 * alpha) - log_low - log_high)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """The real line to the unit interval."""
        check_float(x=x)
        alpha = _check_alpha(self.alpha)
        s, log_slope = _sigmoid(x)
        return (s - alpha) / (1 - 2 * alpha), jnp.sum(log_slope - math.log1p(-2 * alpha))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Sigmoid:
    """The sigmoid onto the unit interval, the inverse of `Logit`: the data end of a flow on pixels.

    x = (sigmoid(z) − α) / (1 − 2α), log |det dx/dz| = Σ [log sigmoid(z) + log sigmoid(−z) − log(1 − 2α)]

    Args:
        alpha: α in [0, ½), static, as of `Logit`.

    Source: Dinh et al. (2017), section 4.1; in this form Papamakarios et al. (2017).

    >>> x, log_det = Sigmoid().forward(jnp.zeros(1))
    >>> print(x, f"{log_det:.4f}")
    [0.5] -1.3863
    """

    alpha: float = field(default=0.0, metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """The real line to the unit interval."""
        return Logit(self.alpha).inverse(z)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """The unit interval to the real line."""
        return Logit(self.alpha).forward(x)


@jax.custom_jvp
def _sigmoid(x: Array) -> tuple[Array, Array]:
    """The sigmoid and its log-slope."""
    return jax.nn.sigmoid(x), jax.nn.log_sigmoid(x) + jax.nn.log_sigmoid(-x)


@_sigmoid.defjvp
def _sigmoid_jvp(primals, tangents):
    # JAX's s (1 − s) has no digit left where s rounds to 1, nor a difference of two sigmoids where x is near 0.
    (x,), (dx,) = primals, tangents
    return _sigmoid(x), (jax.nn.sigmoid(x) * jax.nn.sigmoid(-x) * dx, -jnp.tanh(x / 2) * dx)


def _check_alpha(alpha: float) -> float:
    if not 0 <= alpha < 0.5:
        raise ValueError(f"alpha must lie in [0, 0.5); got {alpha}")
    return alpha
