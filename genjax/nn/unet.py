"""A U-Net of one image and a time, with a label where there are classes."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Integer

from genjax.nn.condition import Condition
from genjax.nn.conv import halved

__all__ = ["UNet"]


class UNet(nnx.Module):
    """Residual convolutions down to a coarse image and up again, each level handed across.

    Every block is shifted and scaled by the time and the label; the coarsest level has attention between its pixels.
    Groups are normalised over one image alone. The last layer starts at zero: an untrained network predicts 0.

    Args:
        image_shape: height and width, each divisible by 2 once for every level but the first, and channels if there
            are any.
        channels: of each level, the finest first.
        num_blocks: residual blocks per level on the way down; there are as many on the way up.
        num_heads: attention heads, which divide the last of `channels`.
        num_classes: labels; there is one more row, the last, for "no label".
        rngs: random streams of the initialisation.

    Source: Ho et al. (2020), appendix B; shift and scale as in Dhariwal and Nichol (2021), section 3.1.

    >>> net = UNet((4, 4), channels=(8, 16), num_blocks=1, num_heads=2, rngs=nnx.Rngs(0))
    >>> jax.eval_shape(net, jnp.ones((4, 4)), jnp.array(0.3)).shape
    (4, 4)
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        *,
        channels: Sequence[int],
        num_blocks: int,
        num_heads: int,
        num_classes: int = 0,
        rngs: nnx.Rngs,
    ):
        halved((image_shape[0], image_shape[1]), len(channels) - 1)
        if channels[-1] % num_heads:
            raise ValueError(
                f"the last of channels must be divisible by num_heads; got {channels} and {num_heads}"
            )
        num_inputs = image_shape[2] if len(image_shape) == 3 else 1
        width = 4 * channels[0]
        block = lambda i, o: ResidualBlock(i, o, width, rngs=rngs)
        conv = lambda i, o, **options: nnx.Conv(i, o, (3, 3), rngs=rngs, **options)
        self.condition = Condition(width, num_classes=num_classes, rngs=rngs)
        self.first = conv(num_inputs, channels[0])
        self.down, self.up = nnx.List([]), nnx.List([])
        handed, last = [], channels[0]
        for level, size in enumerate(channels):
            if level:
                self.down.append(conv(last, last, strides=2))
            for _ in range(num_blocks):
                self.down.append(block(last, size))
                handed.append(size)
                last = size
        self.before, self.after = block(last, last), block(last, last)
        self.attention = Attention(last, num_heads, rngs=rngs)
        for level, size in reversed(list(enumerate(channels))):
            for _ in range(num_blocks):
                self.up.append(block(last + handed.pop(), size))
                last = size
            if level:
                self.up.append(conv(last, last))
        self.norm = OneImageNorm(last, rngs=rngs)
        self.last = conv(last, num_inputs, kernel_init=nnx.initializers.zeros)

    def __call__(
        self, x: Float[Array, "..."], t: Float[Array, ""], *, label: Integer[Array, ""] | int | None = None
    ) -> Float[Array, "..."]:
        """The prediction for one image at a time in [0, 1], of the shape of x."""
        condition = self.condition(t, label=label, dtype=x.dtype)
        h = self.first(jnp.reshape(x, (*x.shape[:2], -1)))
        handed = []
        for layer in self.down:
            if isinstance(layer, ResidualBlock):
                h = layer(h, condition)
                handed.append(h)
            else:
                h = layer(h)
        h = self.after(self.attention(self.before(h, condition)), condition)
        for layer in self.up:
            if isinstance(layer, ResidualBlock):
                h = layer(jnp.concatenate([h, handed.pop()], axis=-1), condition)
            else:
                h = layer(jnp.repeat(jnp.repeat(h, 2, axis=0), 2, axis=1))
        return jnp.reshape(self.last(nnx.silu(self.norm(h))), x.shape)


class ResidualBlock(nnx.Module):
    """Two convolutions, the second shifted and scaled by the condition, added to the input.

    Args:
        num_inputs: channels in.
        num_outputs: channels out.
        width: of the condition.
        rngs: random streams of the initialisation.
    """

    def __init__(self, num_inputs: int, num_outputs: int, width: int, *, rngs: nnx.Rngs):
        zeros = nnx.initializers.zeros
        self.norm_first, self.norm_second = (
            OneImageNorm(num_inputs, rngs=rngs),
            OneImageNorm(num_outputs, rngs=rngs),
        )
        self.first = nnx.Conv(num_inputs, num_outputs, (3, 3), rngs=rngs)
        self.modulate = nnx.Linear(width, 2 * num_outputs, kernel_init=zeros, rngs=rngs)
        self.second = nnx.Conv(num_outputs, num_outputs, (3, 3), kernel_init=zeros, rngs=rngs)
        self.across = (
            None if num_inputs == num_outputs else nnx.Conv(num_inputs, num_outputs, (1, 1), rngs=rngs)
        )

    def __call__(self, h: Float[Array, "y x i"], condition: Float[Array, " width"]) -> Float[Array, "y x o"]:
        """The image after the block."""
        scale, shift = jnp.split(self.modulate(condition)[None, None], 2, axis=-1)
        inner = self.first(nnx.silu(self.norm_first(h)))
        inner = self.second(nnx.silu(self.norm_second(inner) * (1 + scale) + shift))
        return inner + (h if self.across is None else self.across(h))


class Attention(nnx.Module):
    """Attention between all pixels of an image, added to it.

    Args:
        channels: in and out.
        num_heads: attention heads.
        rngs: random streams of the initialisation.
    """

    def __init__(self, channels: int, num_heads: int, *, rngs: nnx.Rngs):
        self.norm = OneImageNorm(channels, rngs=rngs)
        self.project = nnx.Linear(channels, 3 * channels, rngs=rngs)
        self.merge = nnx.Linear(channels, channels, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.num_heads = num_heads

    def __call__(self, h: Float[Array, "y x c"]) -> Float[Array, "y x c"]:
        """The image after attention."""
        pixels = jnp.reshape(self.project(self.norm(h)), (h.shape[0] * h.shape[1], 3 * self.num_heads, -1))
        attended = jax.nn.dot_product_attention(*jnp.split(pixels, 3, axis=1))
        return h + self.merge(jnp.reshape(attended, h.shape))


class OneImageNorm(nnx.Module):
    """Group normalisation over one image, of which Flax's own would take the first axis for a batch.

    Args:
        channels: in and out, in 8 groups or as many as divide both.
        rngs: random streams of the initialisation.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.norm = nnx.GroupNorm(channels, math.gcd(8, channels), rngs=rngs)

    def __call__(self, x: Float[Array, "y x c"]) -> Float[Array, "y x c"]:
        """The image, each group with mean 0 and variance 1 before its own scale and shift."""
        return self.norm(x[None])[0]
