"""How a model sees an example, and what a likelihood of that is a likelihood of.

The same grey levels are a point of [−1, 1]ᵈ to a VAE, integers to an autoregressive model, and dequantised pixels to
a flow. A view says so once, and leads back: `show` puts what any of them generates into one space, in which samples
and data are drawn and compared.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from genjax.data.dataset import Dataset, Spec, binarize, centred_levels
from genjax.likelihood import dequantize

__all__ = ["View", "binary", "centred", "dequantized", "levels", "points", "reshaped", "scaled"]


class View(NamedTuple):
    """One way to see the examples of a data set.

    Args:
        shape: of x.
        observe: `observe(key, stored) -> x`, one example as the model sees it; random where the view is.
        show: `show(x) -> [d]`: a point, or the pixels in [0, 1], of every family alike.
        of: what a likelihood of x is a likelihood of; two numbers compare only where this agrees.
        num_levels: as `bits_per_dim` takes it: K where x is a density of K levels dequantised to [0, 1), 1 where x is
            discrete, None where it is real.

    >>> view = points(Spec("circle", (2,)))
    >>> view.of, view.num_levels
    ('points of circle', None)
    """

    shape: tuple[int, ...]
    observe: Callable[..., Array]
    show: Callable[[Array], Array]
    of: str
    num_levels: int | None


def points(data: Spec | Dataset) -> View:
    """Real vectors as they are.

    >>> view = points(Spec("circle", (2,)))
    >>> print(view.show(view.observe(jax.random.key(0), jnp.array([1.0, 2.0]))))
    [1. 2.]
    """
    return View(data.event_shape, lambda key, x: x, jnp.ravel, f"points of {data.name}", None)


def centred(data: Spec | Dataset) -> View:
    """Grey levels on the grid of [−1, 1], x = 2 v / (K − 1) − 1.

    >>> view = centred(Spec("digits", (2,), num_levels=17))
    >>> x = view.observe(jax.random.key(0), jnp.array([0, 16]))
    >>> print(x, view.show(x))
    [-1.  1.] [0. 1.]
    """
    k = _num_levels(data)
    observe = lambda key, v: centred_levels(v, k)
    return View(data.event_shape, observe, lambda x: (jnp.ravel(x) + 1) / 2, _grey(data), 1)


def levels(data: Spec | Dataset) -> View:
    """Grey levels as integers in a row.

    >>> view = levels(Spec("digits", (1, 2), num_levels=17))
    >>> x = view.observe(jax.random.key(0), jnp.array([[0, 16]]))
    >>> print(x, view.show(x))
    [ 0 16] [0. 1.]
    """
    k = _num_levels(data)
    observe = lambda key, v: jnp.ravel(v).astype(int)
    return View((data.num_dims,), observe, lambda x: x.astype(jnp.float32) / (k - 1), _grey(data), 1)


def dequantized(data: Spec | Dataset) -> View:
    """Grey levels with uniform noise, x = (v + u) / K, in [0, 1).

    The density p(x) of a model bounds the probability of the levels from below, by Jensen's inequality:
    log P(v) ≥ E_u[log p(x)] − d log K. `show` gives the level whose bin x falls into, the nearest one where x lies
    outside [0, 1).

    >>> view = dequantized(Spec("digits", (2,), num_levels=17))
    >>> x = view.observe(jax.random.key(0), jnp.array([0, 16]))
    >>> print(view.show(x))
    [0. 1.]
    """
    k = _num_levels(data)

    def observe(key: PRNGKeyArray, v: Array) -> Array:
        return dequantize(v, jax.random.uniform(key, v.shape), num_levels=k)

    show = lambda x: jnp.clip(jnp.floor(jnp.ravel(x) * k), 0, k - 1) / (k - 1)
    return View(data.event_shape, observe, show, _grey(data), k)


def binary(data: Spec | Dataset, *, split_at: int | None = None) -> View:
    """Pixels as zeros and ones.

    Data of two levels stay as they are. Others are coin flips, drawn anew at every look, with the grey level as the
    probability of a one; or, with `split_at`, ones from that level on.

    >>> view = binary(Spec("digits", (2,), num_levels=17), split_at=8)
    >>> print(view.observe(jax.random.key(0), jnp.array([7, 8])))
    [0. 1.]
    """
    k = _num_levels(data)
    of = f"black-and-white pixels of {data.name}"
    if k == 2:
        observe = lambda key, v: v.astype(jnp.float32)
    elif split_at is not None:
        observe = lambda key, v: (v >= split_at).astype(jnp.float32)
        of += f", split at level {split_at}"
    else:
        observe = lambda key, v: binarize(key, v, num_levels=k)
        of += ", drawn by their greys"
    return View(data.event_shape, observe, lambda x: jnp.ravel(x).astype(jnp.float32), of, 1)


def reshaped(view: View, shape: tuple[int, ...]) -> View:
    """The same view with x in another shape.

    >>> reshaped(points(Spec("circle", (2,))), (2, 1)).shape
    (2, 1)
    """
    return view._replace(shape=shape, observe=lambda key, v: jnp.reshape(view.observe(key, v), shape))


def scaled(view: View, scale: float) -> View:
    """The same view with x divided by a number, for networks that want values of about 1; `show` multiplies.

    A density of x is that of the unscaled points times scale^d; who reports one says log p(x) − d log scale.

    >>> view = scaled(points(Spec("circle", (2,))), 2.0)
    >>> x = view.observe(jax.random.key(0), jnp.array([1.0, 2.0]))
    >>> print(x, view.show(x))
    [0.5 1. ] [1. 2.]
    """
    return view._replace(
        observe=lambda key, v: view.observe(key, v) / scale, show=lambda x: view.show(x * scale)
    )


def _num_levels(data: Spec | Dataset) -> int:
    if data.num_levels is None:
        raise ValueError(f"{data.name} has real values; this view needs grey levels")
    return data.num_levels


def _grey(data: Spec | Dataset) -> str:
    two = data.num_levels == 2
    return (
        f"black-and-white pixels of {data.name}" if two else f"{data.num_levels} grey levels of {data.name}"
    )
