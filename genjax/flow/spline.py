"""Monotone rational-quadratic splines."""

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from genjax._checks import check_full_precision, check_not_nan, check_same_shape, check_values
from genjax._matmul import matmul

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
    knots = _knots(widths, jnp.sum(widths, axis=-1) / 2), _knots(heights, jnp.sum(heights, axis=-1) / 2)
    y, log_slope = _forward(x, *knots, widths, heights, slopes)
    return jnp.where(valid, y, jnp.nan), jnp.where(valid, log_slope, jnp.nan)


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
        x, log_slope = _forward(z, *self._parameters(z))
        return x, jnp.sum(log_slope)

    def inverse(self, x: Float[Array, "*event"]) -> tuple[Float[Array, "*event"], Float[Array, ""]]:
        """Data to noise, by the root of a quadratic."""
        z, log_slope = _inverse(x, *self._parameters(x))
        return z, jnp.sum(log_slope)

    def _parameters(self, event: Array) -> tuple[Array, Array, Array, Array, Array]:
        shape = jnp.shape(self.raw)
        if shape[:-1] != jnp.shape(event) or shape[-1] < 2 or shape[-1] % 3 != 2:
            raise ValueError(
                f"raw must have the event's shape and an axis of 3K − 1: raw {shape}, event {jnp.shape(event)}"
            )
        if not self.bound > 0:
            raise ValueError(f"bound must be positive; got {self.bound}")
        check_full_precision(event=event, raw=self.raw)  # the slopes come from differences of knots
        check_not_nan(event=event, raw=self.raw)
        num_bins = (shape[-1] + 1) // 3
        # `split`, whose transpose is one concatenation and not a sum of padded arrays.
        raw_sizes, raw_slopes = jnp.split(self.raw, [2 * num_bins], axis=-1)
        shares = _softmax(jnp.reshape(raw_sizes, (*shape[:-1], 2, num_bins)))
        sizes = 2 * self.bound * ((1 - _MIN_BIN) * shares + _MIN_BIN / num_bins)
        inner = _MIN_SLOPE + jax.nn.softplus(raw_slopes + _SLOPE_OFFSET)
        ends = [(0, 0)] * (inner.ndim - 1) + [(1, 1)]
        slopes = jnp.pad(inner, ends, constant_values=1.0)
        widths, heights = sizes[..., 0, :], sizes[..., 1, :]
        return _knots(widths, self.bound), _knots(heights, self.bound), widths, heights, slopes


def _softmax(logits: Array) -> Array:
    """The softmax over the last axis, with its sum as a product with a matrix of ones.

    The gradient of a plain sum is computed anew in every element that it reaches: a fifth of a step on a CPU.
    """
    exponentials = jnp.exp(logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)))
    ones = jnp.ones((logits.shape[-1],) * 2, logits.dtype)
    return exponentials / matmul(exponentials, ones)


class _Piece(NamedTuple):
    """The bin of each coordinate as seen from the nearer of its two knots, so that both ends of a bin are exact."""

    x: Array  # the knot
    y: Array
    side: Array  # 1 where the knot is the bin's left one, −1 where it is the right one
    width: Array
    height: Array
    slope: Array  # at the knot
    slope_beyond: Array  # at the other knot

    @property
    def secant(self) -> Array:
        return self.height / self.width


def _forward(x: Array, *spline: Array) -> tuple[Array, Array]:
    """The y of an x, and log dy/dx."""
    piece = _locate(x, *spline)
    inside, beyond = _parts(piece.side * (x - piece.x))
    xi = inside / piece.width
    rise = _rise(xi, piece.secant, piece.slope, piece.slope_beyond)
    y = piece.y + piece.side * (piece.height * rise + piece.slope * beyond)
    return y, _log_slope(xi, 1 - xi, piece)


def _inverse(y: Array, *spline: Array) -> tuple[Array, Array]:
    """The x of a y, and log dx/dy."""
    x_knots, y_knots, widths, heights, slopes = spline
    mirror = _locate(y, y_knots, x_knots, heights, widths, slopes)  # the same box seen from the other side
    piece = mirror._replace(x=mirror.y, y=mirror.x, width=mirror.height, height=mirror.width)
    inside, beyond = _parts(piece.side * (y - piece.y))
    eta = inside / piece.height
    # ξ solves a ξ² + b ξ + c = 0 with a = s − d_k + ηβ, b = d_k − ηβ, c = −sη, β = d_k + d_{k+1} − 2s. Written with
    # u = d_k (1−η) − d_{k+1} η, b is u + 2sη and b² − 4ac is u² + 4s² η(1−η), a sum of squares. So the root
    # ξ = −2c / (b + √(b² − 4ac)) = 2sη / (2sη + t), t = u + √(u² + 4s² η(1−η)) has no negative discriminant to
    # meet, and nothing cancels once t is written as a quotient where u < 0; it lies in [0, 1] by its form.
    u = piece.slope * (1 - eta) - piece.slope_beyond * eta
    square = 4 * piece.secant**2 * eta * (1 - eta)
    root = jnp.sqrt(u**2 + square)
    t = jnp.where(u < 0, square / jnp.where(u < 0, root - u, 1.0), u + root)
    total = 2 * piece.secant * eta + t
    xi, rest = 2 * piece.secant * eta / total, t / total
    x = piece.x + piece.side * (piece.width * xi + beyond / piece.slope)
    return x, -_log_slope(xi, rest, piece)


def _quotient(xi: Array, secant: Array, slope: Array, slope_beyond: Array) -> Array:
    """How much of the bin's height is gained at the share ξ of its width: the quotient of the equation."""
    rest = 1 - xi
    return (secant * xi**2 + slope * xi * rest) / _denominator(xi, rest, secant, slope + slope_beyond)


# The derivative of the quotient in ξ cancels where the secant is far below the slopes; its own form does not.
_rise = jax.custom_jvp(_quotient)


@_rise.defjvp
def _rise_jvp(primals, tangents):
    (xi, *parameters), (dxi, *dparameters) = primals, tangents
    rise, change = jax.jvp(functools.partial(_quotient, xi), parameters, dparameters)
    secant, slope, slope_beyond = parameters
    bend = _bend(xi, 1 - xi, secant, slope, slope_beyond)
    return rise, change + secant * bend / _denominator(xi, 1 - xi, secant, slope + slope_beyond) ** 2 * dxi


def _log_slope(xi: Array, rest: Array, piece: _Piece) -> Array:
    """The logarithm of dy/dx = s² bend / denominator²."""
    bend = _bend(xi, rest, piece.secant, piece.slope, piece.slope_beyond)
    denominator = _denominator(xi, rest, piece.secant, piece.slope + piece.slope_beyond)
    return 2 * jnp.log(piece.secant) + jnp.log(bend) - 2 * jnp.log(denominator)


# With ξ + (1−ξ) = 1 squared into the textbook's forms, every term is positive.
def _denominator(xi: Array, rest: Array, secant: Array, slopes: Array) -> Array:
    return secant * (xi**2 + rest**2) + slopes * xi * rest


def _bend(xi: Array, rest: Array, secant: Array, slope: Array, slope_beyond: Array) -> Array:
    return slope_beyond * xi**2 + 2 * secant * xi * rest + slope * rest**2


def _parts(distance: Array) -> tuple[Array, Array]:
    """The distance from a knot into its bin, and beyond the box (negative), one of them zero."""
    outside = distance < 0
    return jnp.where(outside, 0.0, distance), jnp.where(outside, distance, 0.0)


def _locate(x: Array, x_knots: Array, y_knots: Array, widths: Array, heights: Array, slopes: Array) -> _Piece:
    bins = jnp.sum(x[..., None] >= x_knots[..., 1:-1], axis=-1, keepdims=True)
    pick = lambda values, offset=0: jnp.take_along_axis(values, bins + offset, axis=-1)[..., 0]
    left, right = pick(x_knots), pick(x_knots, 1)
    from_left = x - left < right - x
    nearer = lambda values: jnp.where(from_left, pick(values), pick(values, 1))
    return _Piece(
        x=jnp.where(from_left, left, right),
        y=nearer(y_knots),
        side=jnp.where(from_left, 1.0, -1.0).astype(x.dtype),
        width=pick(widths),
        height=pick(heights),
        slope=nearer(slopes),
        slope_beyond=jnp.where(from_left, pick(slopes, 1), pick(slopes)),
    )


def _knots(sizes: Array, half: Array | float) -> Array:
    """The ends of the bins of a box that reaches from −half to half exactly."""
    half = jnp.broadcast_to(jnp.asarray(half, sizes.dtype), sizes.shape[:-1])[..., None]
    return jnp.concatenate([-half, jnp.cumsum(sizes, axis=-1)[..., :-1] - half, half], axis=-1)


def _check_spline(x: Array, widths: Array, heights: Array, slopes: Array) -> Bool[Array, "*event"]:
    parameters = dict(widths=widths, heights=heights, slopes=slopes)
    check_full_precision(x=x, **parameters)
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
