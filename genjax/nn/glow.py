"""Glow: a multi-scale flow of images."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from genjax.flow import (
    Bijector,
    Chain,
    Coupling,
    Invert,
    InvertibleLinear,
    Split,
    Squeeze,
    affine,
    channel_mask,
)
from genjax.nn.flows import conditioner, identity_actnorm, near_zero
from genjax.nn.functional import functional

__all__ = ["glow"]


def glow(
    key: PRNGKeyArray,
    image_shape: tuple[int, int, int],
    *,
    num_scales: int = 2,
    num_steps: int = 4,
    channels: int = 32,
    num_context: int = 0,
) -> Chain:
    """Glow: steps of activation normalisation, 1×1 convolution and affine coupling, at several scales.

    Each scale squeezes 2 × 2 pixels into channels; between scales half of the channels are noise already. Run
    `genjax.flow.fit_actnorm` before training. The 1×1 convolutions start as the reversal of the channels, which
    exchanges the halves of the couplings, in place of the paper's random rotations: the PLU form of a rotation needs
    a permutation that depends on the draw, and this function is one of the key alone, for `jax.vmap`.

    Args:
        key: one key; draws the convolutions' weights.
        image_shape: `(H, W, C)` of an event, H and W divisible by 2 to `num_scales`.
        num_scales: squeezes.
        num_steps: steps per scale.
        channels: of the couplings' hidden convolutions.
        num_context: where positive, the convolutions also read a context vector of this length, at every pixel, bound
            by `genjax.flow.given`; `fit_actnorm` takes those of its batch.

    Returns:
        A bijector of images `[H, W, C]` of real numbers: put `Logit` or the like on the data.

    Raises:
        ValueError: `image_shape` cannot be squeezed as often.

    Source: Kingma and Dhariwal (2018), section 3.

    >>> flow = glow(jax.random.key(0), (4, 4, 1), num_scales=1, num_steps=1, channels=4)
    >>> flow.forward(jnp.zeros((4, 4, 1)))[0].shape
    (4, 4, 1)
    """
    height, width, depth = image_shape
    if num_scales < 1 or height % 2**num_scales or width % 2**num_scales:
        raise ValueError(
            f"H and W must be divisible by 2 to num_scales, which is at least 1: "
            f"image_shape {image_shape}, num_scales {num_scales}"
        )
    key_steps, key_next = jax.random.split(key)
    squeezed = (height // 2, width // 2, 4 * depth)
    parts: list[Bijector] = [Squeeze()]
    if num_scales > 1:
        inner = (*squeezed[:2], 2 * depth)
        options = dict(
            num_scales=num_scales - 1, num_steps=num_steps, channels=channels, num_context=num_context
        )
        parts.append(Split(glow(key_next, inner, **options)))
    for step_key in jax.random.split(key_steps, num_steps):
        parts += _step(step_key, squeezed, channels, num_context)
    return Chain((*parts, Invert(Squeeze())))


def _step(key: PRNGKeyArray, shape: tuple[int, int, int], channels: int, num_context: int) -> list[Bijector]:
    """From noise to data, so the other way round than the paper counts."""
    depth = shape[-1]
    init, apply = _convolutions(depth, channels, num_context)
    zeros = jnp.zeros((depth, depth))
    reversal = InvertibleLinear(
        zeros, zeros, zeros[0], sign=(1,) * depth, permutation=tuple(range(depth))[::-1]
    )
    net = conditioner(near_zero(init(key), scale=0.0), apply, num_context)
    coupling = Coupling(net, affine, channel_mask(shape))
    return [coupling, reversal, identity_actnorm(depth)]


class _Convolutions(nnx.Module):
    """3 × 3, 1 × 1 and 3 × 3, to two outputs per channel."""

    def __init__(self, depth: int, channels: int, num_context: int, *, rngs: nnx.Rngs):
        sizes = [(depth + num_context, channels, 3), (channels, channels, 1), (channels, 2 * depth, 3)]
        self.layers = nnx.List([nnx.Conv(i, o, (k, k), rngs=rngs) for i, o, k in sizes])

    def __call__(self, x: Float[Array, "height width depth"]) -> Float[Array, "height width outputs"]:
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


@functools.cache
def _convolutions(
    depth: int, channels: int, num_context: int
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return functional(lambda rngs: _Convolutions(depth, channels, num_context, rngs=rngs))
