"""A small causal transformer over a sequence of levels, with a cache for sampling."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Integer

__all__ = ["CausalTransformer"]

Cache = list[tuple[Array, Array]]


class CausalTransformer(nnx.Module):
    """A pre-norm transformer decoder whose row i sees only `x[:i]`: a `logits_fn` of `genjax.autoregressive`.

    The sequence is shifted once, on the way in: position i reads x_{i−1}, and position 0 a learned start.

    `step` attends to cached keys and values, so that sampling passes each position through the network once:
    `cached_sample(key, partial(step, params), cache, length)`.

    Args:
        length: the longest sequence.
        num_levels: K.
        width: of the residual stream, divisible by `num_heads`.
        num_layers: blocks of attention and perceptron.
        num_heads: attention heads.
        num_classes: labels of a class-conditional model, `logits_fn = lambda x: net(x, label)`; none by default.
        num_outputs: outputs per position, K by default; another head's parameters otherwise.
        rngs: random streams of the initialisation.

    Source: Vaswani et al. (2017), section 3; normalisation before each sublayer as in Radford et al. (2019), section
    2.3.

    >>> net = CausalTransformer(6, 3, width=8, num_layers=1, num_heads=2, rngs=nnx.Rngs(0))
    >>> net(jnp.array([0, 2, 1, 1, 0, 2])).shape
    (6, 3)
    """

    def __init__(
        self,
        length: int,
        num_levels: int,
        *,
        width: int,
        num_layers: int,
        num_heads: int,
        num_classes: int | None = None,
        num_outputs: int | None = None,
        rngs: nnx.Rngs,
    ):
        embed = lambda count: nnx.Embed(count, width, embedding_init=nnx.initializers.normal(0.02), rngs=rngs)
        self.levels = embed(num_levels + 1)  # the last is the start
        self.positions = embed(length)
        self.labels = None if num_classes is None else embed(num_classes)
        self.blocks = nnx.List([Block(width, num_heads, rngs=rngs) for _ in range(num_layers)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, num_levels if num_outputs is None else num_outputs, rngs=rngs)
        self.num_levels = num_levels

    def __call__(
        self, x: Integer[Array, " n"], label: Integer[Array, ""] | None = None
    ) -> Float[Array, "n outputs"]:
        """Outputs `[n, K]` of every position given those before it."""
        n = x.shape[0]
        if n > self.positions.num_embeddings:
            raise ValueError(
                f"x must not be longer than {self.positions.num_embeddings}; got shape {x.shape}"
            )
        before = jnp.concatenate([jnp.array([self.num_levels]), x[:-1].astype(int)])
        h = self._embed(before, jnp.arange(n), label)
        visible = np.tri(n, dtype=bool)
        for block in self.blocks:
            q, k, v = block.heads(h)
            h = block.update(h, q, k, v, jnp.asarray(visible))
        return self.head(self.norm(h))

    def empty_cache(self) -> Cache:
        """Keys and values of no position yet, a pair `[length, heads, width / heads]` for every block."""
        length, width = self.positions.num_embeddings, self.positions.features
        dtype = self.positions.embedding.dtype
        zeros = lambda heads: jnp.zeros((length, heads, width // heads), dtype)
        return [(zeros(block.num_heads), zeros(block.num_heads)) for block in self.blocks]

    def step(
        self,
        cache: Cache,
        token: Integer[Array, ""],
        position: Integer[Array, ""],
        label: Integer[Array, ""] | None = None,
    ) -> tuple[Cache, Float[Array, " outputs"]]:
        """Outputs of one position, from x at the position before and the cache of those before that."""
        length = self.positions.num_embeddings
        if not isinstance(position, Tracer) and int(position) >= length:
            raise ValueError(
                f"the cache holds a sequence of {length}; got position {int(position)}, counted from 0"
            )
        before = jnp.where(position == 0, self.num_levels, token)
        h = self._embed(before[None], position[None], label)
        visible = (jnp.arange(length) <= position)[None]
        after = []
        for block, (keys, values) in zip(self.blocks, cache, strict=True):
            q, k, v = block.heads(h)
            keys, values = keys.at[position].set(k[0]), values.at[position].set(v[0])
            h = block.update(h, q, keys, values, visible)
            after.append((keys, values))
        return after, self.head(self.norm(h))[0]

    def _embed(
        self, before: Integer[Array, " n"], positions: Integer[Array, " n"], label: Array | None
    ) -> Float[Array, "n width"]:
        h = self.levels(before) + self.positions(positions)
        if label is None and self.labels is None:
            return h
        if label is None or self.labels is None:
            raise ValueError("a label is for a network with num_classes, and such a network needs one")
        return h + self.labels(label)[None]


class Block(nnx.Module):
    """Attention and a perceptron, each added to the residual stream.

    Args:
        width: of the residual stream.
        num_heads: attention heads.
        rngs: random streams of the initialisation.
    """

    def __init__(self, width: int, num_heads: int, *, rngs: nnx.Rngs):
        if width % num_heads:
            raise ValueError(f"width must be divisible by num_heads; got {width} and {num_heads}")
        self.norm_attention = nnx.LayerNorm(width, rngs=rngs)
        self.project = nnx.Linear(width, 3 * width, rngs=rngs)
        self.merge = nnx.Linear(width, width, rngs=rngs)
        self.norm_perceptron = nnx.LayerNorm(width, rngs=rngs)
        self.expand = nnx.Linear(width, 4 * width, rngs=rngs)
        self.contract = nnx.Linear(4 * width, width, rngs=rngs)
        self.num_heads = num_heads

    def heads(self, h: Float[Array, "n width"]) -> list[Float[Array, "n heads d"]]:
        """Queries, keys and values of every position."""
        projected = self.project(self.norm_attention(h))
        return jnp.split(jnp.reshape(projected, (h.shape[0], 3 * self.num_heads, -1)), 3, axis=1)

    def update(
        self,
        h: Float[Array, "n width"],
        q: Float[Array, "n heads d"],
        k: Float[Array, "m heads d"],
        v: Float[Array, "m heads d"],
        visible: Bool[Array, "n m"],
    ) -> Float[Array, "n width"]:
        """The residual stream after the block, whose n positions attend to the `visible` ones of m."""
        scores = jnp.einsum("nhd,mhd->hnm", q, k) / q.shape[-1] ** 0.5
        weights = jax.nn.softmax(jnp.where(visible[None], scores, -jnp.inf))
        h = h + self.merge(jnp.reshape(jnp.einsum("hnm,mhd->nhd", weights, v), h.shape))
        return h + self.contract(nnx.gelu(self.expand(self.norm_perceptron(h))))
