"""Monotone rational-quadratic splines."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from genjax._checks import check_full_precision, check_not_nan, check_same_shape, check_values

__all__ = ["RationalQuadraticSpline", "rational_quadratic_spline"]

_MIN_BIN = 1e-2  # the narrowest bin, in units of the uniform one
_MIN_SLOPE = 1e-3
_SLOPE_OFFSET = math.log(math.expm1(1 - _MIN_SLOPE))  # raw 0 is slope 1


def rational_quadratic_spline(
    x: Float[Array, "*event"],
    widths: Float[Array, "*event k"],
    heights: Float[Array, "*event k"],
    slopes: Float[Array, "*event knots"],
) -> tuple[Float[Array, "*event"], Float[Array, "*event"]]:
    """A monotone rational-quadratic spline with linear tails, elementwise.

    The K bins tile a box centred at the origin: knot 0 stands at (−½ Σ w, −½ Σ h), and each bin adds its width and
    its height. Inside bin k, with ξ = (x − x_k) / w_k and the secant s = h_k / w_k,

    y = y_k + h_k [s ξ² + d_k ξ(1−ξ)] / [s + (d_k + d_{k+1} − 2s) ξ(1−ξ)].

    Left of the box the spline goes on as the line of slope d_0, right of it as that of slope d_K. For positive
    parameters it is continuously differentiable, increasing, and onto the real line. Where Σ w = Σ h and
    d_0 = d_K = 1 the tails are the identity.

    Args:
        x: where to evaluate, of any shape `[...]`.
        widths: w > 0, `[..., K]`.
        heights: h > 0, `[..., K]`.
        slopes: d > 0, the slopes at the knots, `[..., K + 1]`.

    Returns:
        `(y, log dy/dx)`, each of the shape of `x`: nothing is reduced.

    Raises:
        TypeError: an argument is not float32 or float64.
        ValueError: shapes do not fit, a NaN, or a width, a height or a slope that is not positive, so that the
            spline would not increase (NaN under `jit`).

    Source: Durkan et al. (2019), section 3.1; the interpolant is that of Gregory and Delbourgo (1982).

    >>> widths, heights, slopes = jnp.array([1.0, 1.0]), jnp.array([0.5, 1.5]), jnp.ones(3)
    >>> y, log_slope = rational_quadratic_spline(jnp.array(0.0), widths, heights, slopes)
    >>> print(f"{y:.4f} {log_slope:.4f}")
    -0.5000 0.0000
    """
    valid = _check_spline(x, widths, heights, slopes)
    piece, nearest, tail_slope = _locate(x, widths, heights, slopes)
    xi, rest = (nearest - piece.left) / piece.width, (piece.right - nearest) / piece.width
    bend = piece.secant * xi**2 + piece.slope_left * xi * rest
    y = piece.bottom + piece.height * bend / piece.denominator(xi, rest) + tail_slope * (x - nearest)
    return jnp.where(valid, y, jnp.nan), jnp.where(valid, piece.log_slope(xi, rest), jnp.nan)


def _inverse_spline(y: Array, widths: Array, heights: Array, slopes: Array) -> tuple[Array, Array]:
    """The x of a y, and log dx/dy."""
    valid = _check_spline(y, widths, heights, slopes)
    # The inverse's box is the same box seen from the other side.
    mirror, nearest, tail_slope = _locate(y, heights, widths, slopes)
    piece = mirror.transposed()
    eta, rest_eta = (nearest - piece.bottom) / piece.height, (piece.top - nearest) / piece.height
    # ξ solves a ξ² + b ξ + c = 0 with a = s − d_k + ηβ, b = d_k − ηβ, c = −sη, β = d_k + d_{k+1} − 2s. Written with
    # u = d_k (1−η) − d_{k+1} η, b is u + 2sη and b² − 4ac is u² + 4s² η(1−η), a sum of squares. So the root
    # ξ = −2c / (b + √(b² − 4ac)) = 2sη / (2sη + t), t = u + √(u² + 4s² η(1−η)) has no negative discriminant to
    # meet, and nothing cancels once t is written as a quotient where u < 0; it lies in [0, 1] by its form.
    u = piece.slope_left * rest_eta - piece.slope_right * eta
    square = 4 * piece.secant**2 * eta * rest_eta
    root = jnp.sqrt(u**2 + square)
    t = jnp.where(u < 0, square / jnp.where(u < 0, root - u, 1.0), u + root)
    total = 2 * piece.secant * eta + t
    xi, rest = 2 * piece.secant * eta / total, t / total
    x = piece.left + piece.width * xi + (y - nearest) / tail_slope
    return jnp.where(valid, x, jnp.nan), jnp.where(valid, -piece.log_slope(xi, rest), jnp.nan)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class RationalQuadraticSpline:
    """A rational-quadratic spline on [−bound, bound] in every coordinate, the identity outside.

    Zero parameters give the identity. The widths and heights are softmaxes that leave each bin at least a hundredth
    of the uniform one, the slopes softpluses of at least 10⁻³, and those at both ends 1. As the `bijector` of a
    `Coupling` the class is the transformer itself, or `partial(RationalQuadraticSpline, bound=...)`.

    Args:
        raw: unconstrained, of the event's shape and an axis of 3K − 1: K widths, K heights, K − 1 inner slopes.
        bound: half the side of the box, static.

    Source: Durkan et al. (2019), section 3.1.

    >>> x, log_det = RationalQuadraticSpline(jnp.zeros((2, 11))).forward(jnp.array([1.0, 5.0]))
    >>> print(" ".join(f"{v:.4f}" for v in x), f"{abs(log_det):.4f}")
    1.0000 5.0000 0.0000
    """

    raw: Array
    bound: float = field(default=3.0, metadata={"static": True})

    def forward(self, z: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Noise to data."""
        x, log_slope = rational_quadratic_spline(z, *self._parameters(z))
        return x, jnp.sum(log_slope)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise, by the root of a quadratic."""
        z, log_slope = _inverse_spline(x, *self._parameters(x))
        return z, jnp.sum(log_slope)

    def _parameters(self, event: Array) -> tuple[Array, Array, Array]:
        shape = jnp.shape(self.raw)
        if shape[:-1] != jnp.shape(event) or shape[-1] < 2 or shape[-1] % 3 != 2:
            raise ValueError(
                f"raw must have the event's shape and an axis of 3K − 1: raw {shape}, event {jnp.shape(event)}"
            )
        if not self.bound > 0:
            raise ValueError(f"bound must be positive; got {self.bound}")
        check_full_precision(raw=self.raw)
        num_bins = (shape[-1] + 1) // 3
        shares = jax.nn.softmax(jnp.reshape(self.raw[..., : 2 * num_bins], (*shape[:-1], 2, num_bins)))
        sizes = 2 * self.bound * ((1 - _MIN_BIN) * shares + _MIN_BIN / num_bins)
        inner = _MIN_SLOPE + jax.nn.softplus(self.raw[..., 2 * num_bins :] + _SLOPE_OFFSET)
        ends = [(0, 0)] * (inner.ndim - 1) + [(1, 1)]
        return sizes[..., 0, :], sizes[..., 1, :], jnp.pad(inner, ends, constant_values=1.0)


class _Piece(NamedTuple):
    """The bin of each coordinate: its corners, its sides and the slopes at its knots."""

    left: Array
    right: Array
    width: Array
    bottom: Array
    top: Array
    height: Array
    slope_left: Array
    slope_right: Array

    @property
    def secant(self) -> Array:
        return self.height / self.width

    def transposed(self) -> "_Piece":
        return _Piece(*self[3:6], *self[:3], *self[6:])

    # With ξ + (1−ξ) = 1 squared into the textbook's forms, every term is positive.
    def denominator(self, xi: Array, rest: Array) -> Array:
        return self.secant * (xi**2 + rest**2) + (self.slope_left + self.slope_right) * xi * rest

    def log_slope(self, xi: Array, rest: Array) -> Array:
        bend = self.slope_right * xi**2 + 2 * self.secant * xi * rest + self.slope_left * rest**2
        return 2 * jnp.log(self.secant) + jnp.log(bend) - 2 * jnp.log(self.denominator(xi, rest))


def _locate(x: Array, widths: Array, heights: Array, slopes: Array) -> tuple[_Piece, Array, Array]:
    """The piece of each x, the point of the box nearest to x, and the slope of the tail on its side."""
    x_knots, y_knots = _knots(widths), _knots(heights)
    bins = jnp.sum(x[..., None] >= x_knots[..., 1:-1], axis=-1, keepdims=True)
    pick = lambda values, offset=0: jnp.take_along_axis(values, bins + offset, axis=-1)[..., 0]
    piece = _Piece(
        *(pick(x_knots), pick(x_knots, 1), pick(widths)),
        *(pick(y_knots), pick(y_knots, 1), pick(heights)),
        *(pick(slopes), pick(slopes, 1)),
    )
    # Beyond the box the bin's formula is evaluated at the knot, where it and its gradient are finite.
    below, above = x < x_knots[..., 0], x > x_knots[..., -1]
    nearest = jnp.where(below, x_knots[..., 0], jnp.where(above, x_knots[..., -1], x))
    return piece, nearest, jnp.where(below, slopes[..., 0], slopes[..., -1])


def _knots(sizes: Array) -> Array:
    total = jnp.cumsum(sizes, axis=-1)
    padded = jnp.concatenate([jnp.zeros_like(total[..., :1]), total], axis=-1)
    return padded - total[..., -1:] / 2


def _check_spline(x: Array, widths: Array, heights: Array, slopes: Array) -> Bool[Array, "*event"]:
    parameters = dict(widths=widths, heights=heights, slopes=slopes)
    check_full_precision(x=x, **parameters)  # the slopes come from differences of knots
    check_same_shape(widths=widths, heights=heights)
    *event, num_bins = jnp.shape(widths) or (0,)
    if tuple(event) != jnp.shape(x) or num_bins < 1 or jnp.shape(slopes) != (*event, num_bins + 1):
        raise ValueError(
            f"widths and heights must be [*event, K] and slopes [*event, K + 1]: x {jnp.shape(x)}, "
            f"widths {jnp.shape(widths)}, slopes {jnp.shape(slopes)}"
        )
    check_not_nan(x=x, **parameters)
    for name, values in parameters.items():
        check_values(name, values, values > 0, "be positive")
    positive = [jnp.all(values > 0, axis=-1) for values in parameters.values()]
    return positive[0] & positive[1] & positive[2]
