"""A transformer on the patches of one image and a time, with a label where there are classes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Integer

from genjax.nn.condition import Condition

__all__ = ["DiT"]


class DiT(nnx.Module):
    """A transformer on patches whose blocks are shifted, scaled and gated by the time and the label.

    Gates and the last layer start at zero, so that an untrained network predicts 0.

    Args:
        image_shape: height and width, both divisible by `patch_size`, and channels if there are any.
        patch_size: pixels on the side of a patch.
        width: of the residual stream, divisible by `num_heads`.
        num_layers: blocks of attention and perceptron.
        num_heads: attention heads.
        num_classes: labels; there is one more row, the last, for "no label".
        remat: keep only the input of each block for the backward pass, which computes the block again.
        rngs: random streams of the initialisation.

    Source: Peebles and Xie (2023), section 3.2, with learned positions.

    >>> net = DiT((4, 6), patch_size=2, width=8, num_layers=1, num_heads=2, rngs=nnx.Rngs(0))
    >>> net(jnp.ones((4, 6)), jnp.array(0.3)).shape
    (4, 6)
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        *,
        patch_size: int,
        width: int,
        num_layers: int,
        num_heads: int,
        num_classes: int = 0,
        remat: bool = False,
        rngs: nnx.Rngs,
    ):
        height, width_of_image, *channels = image_shape
        if height % patch_size or width_of_image % patch_size:
            raise ValueError(
                f"height and width must be divisible by patch_size; got {image_shape} and {patch_size}"
            )
        if width % num_heads:
            raise ValueError(f"width must be divisible by num_heads; got {width} and {num_heads}")
        self.rows, self.columns = height // patch_size, width_of_image // patch_size
        self.patch_size, self.remat = patch_size, remat
        size = patch_size**2 * (channels[0] if channels else 1)
        self.first = nnx.Linear(size, width, rngs=rngs)
        self.positions = nnx.Embed(
            self.rows * self.columns, width, embedding_init=nnx.initializers.normal(0.02), rngs=rngs
        )
        self.condition = Condition(width, num_classes=num_classes, rngs=rngs)
        self.blocks = stacked([DiTBlock(width, num_heads, rngs=rngs) for _ in range(num_layers)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.last = nnx.Linear(width, size, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(
        self, x: Float[Array, "..."], t: Float[Array, ""], *, label: Integer[Array, ""] | int | None = None
    ) -> Float[Array, "..."]:
        """The prediction for one image at a time in [0, 1], of the shape of x."""
        condition = self.condition(t, label=label, dtype=x.dtype)
        h = self.first(self.patches(x)) + self.positions.embedding[...].astype(x.dtype)
        graph, params = nnx.split(self.blocks)
        block = lambda h, params: (nnx.merge(graph, params)(h, condition), None)
        h, _ = jax.lax.scan(jax.checkpoint(block) if self.remat else block, h, params)
        return self.image(self.last(self.norm(h)), x.shape)

    def patches(self, x: Float[Array, "..."]) -> Float[Array, "n size"]:
        """The patches of an image as rows, line by line."""
        p = self.patch_size
        grid = jnp.reshape(x, (self.rows, p, self.columns, p, -1))
        return jnp.reshape(jnp.swapaxes(grid, 1, 2), (self.rows * self.columns, -1))

    def image(self, patches: Float[Array, "n size"], shape: tuple[int, ...]) -> Float[Array, "..."]:
        """The image of which these are the patches."""
        p = self.patch_size
        grid = jnp.reshape(patches, (self.rows, self.columns, p, p, -1))
        return jnp.reshape(jnp.swapaxes(grid, 1, 2), shape)


def stacked(blocks: Sequence[nnx.Module]) -> Any:
    """Blocks of one form as one module, whose parameters have a leading axis of blocks: a loop compiles one block.

    Args:
        blocks: at least one.
    """
    states = [nnx.state(block) for block in blocks]
    return nnx.merge(nnx.graphdef(blocks[0]), jax.tree.map(lambda *leaves: jnp.stack(leaves), *states))


class DiTBlock(nnx.Module):
    """Attention and a perceptron, each shifted and scaled on the way in and gated on the way out.

    Args:
        width: of the residual stream.
        num_heads: attention heads.
        rngs: random streams of the initialisation.
    """

    def __init__(self, width: int, num_heads: int, *, rngs: nnx.Rngs):
        plain = {"use_scale": False, "use_bias": False, "rngs": rngs}
        self.norm_attention, self.norm_perceptron = (
            nnx.LayerNorm(width, **plain),
            nnx.LayerNorm(width, **plain),
        )
        self.modulate = nnx.Linear(width, 6 * width, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.project = nnx.Linear(width, 3 * width, rngs=rngs)
        self.merge = nnx.Linear(width, width, rngs=rngs)
        self.expand = nnx.Linear(width, 4 * width, rngs=rngs)
        self.contract = nnx.Linear(4 * width, width, rngs=rngs)
        self.num_heads = num_heads

    def __call__(
        self, h: Float[Array, "n width"], condition: Float[Array, " width"]
    ) -> Float[Array, "n width"]:
        """The residual stream after the block."""
        modulation = jnp.reshape(self.modulate(condition), (6, 1, -1))
        shift_a, scale_a, gate_a, shift_p, scale_p, gate_p = modulation
        projected = self.project(self.norm_attention(h) * (1 + scale_a) + shift_a)
        q, k, v = jnp.split(jnp.reshape(projected, (len(h), 3 * self.num_heads, -1)), 3, axis=1)
        h = h + gate_a * self.merge(jnp.reshape(jax.nn.dot_product_attention(q, k, v), h.shape))
        inner = self.expand(self.norm_perceptron(h) * (1 + scale_p) + shift_p)
        return h + gate_p * self.contract(nnx.gelu(inner))
