"""Convolutional encoder and decoder of one image."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

__all__ = ["ConvDecoder", "ConvEncoder"]


class ConvEncoder(nnx.Module):
    """Strided convolutions from one image to the mean and log-variance of its code.

    Args:
        image_shape: height and width, each divisible by 2 to the number of layers.
        channels: of each layer; every layer halves height and width.
        num_latents: the length of the mean.
        max_log_var: the smooth bound on the log-variance, above and below.
        rngs: random streams of the initialisation.

    >>> mean, log_var = ConvEncoder((8, 8), (4, 8), 3, rngs=nnx.Rngs(0))(jnp.ones((8, 8)))
    >>> mean.shape, log_var.shape
    ((3,), (3,))
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        channels: Sequence[int],
        num_latents: int,
        *,
        max_log_var: float = 12.0,
        rngs: nnx.Rngs,
    ):
        height, width = halved(image_shape, len(channels))
        self.convs = nnx.List(
            [
                nnx.Conv(i, o, (3, 3), strides=2, rngs=rngs)
                for i, o in zip([1, *channels[:-1]], channels, strict=True)
            ]
        )
        self.last = nnx.Linear(height * width * channels[-1], 2 * num_latents, rngs=rngs)
        self.max_log_var = max_log_var

    def __call__(self, x: Float[Array, "height width"]) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Mean and log-variance for one image."""
        h = x[..., None]
        for conv in self.convs:
            h = nnx.gelu(conv(h))
        mean, raw = jnp.split(self.last(jnp.ravel(h)), 2)
        return mean, self.max_log_var * jnp.tanh(raw / self.max_log_var)


class ConvDecoder(nnx.Module):
    """Transposed convolutions from one code to the raw outputs of an image's likelihood.

    Args:
        num_latents: the length of the code.
        channels: of each layer, from the code outwards; every layer doubles height and width.
        image_shape: height and width, each divisible by 2 to the number of layers.
        num_outputs: raw outputs per pixel, as the likelihood's head asks.
        rngs: random streams of the initialisation.

    >>> ConvDecoder(3, (8, 4), (8, 8), num_outputs=2, rngs=nnx.Rngs(0))(jnp.ones(3)).shape
    (128,)
    """

    def __init__(
        self,
        num_latents: int,
        channels: Sequence[int],
        image_shape: tuple[int, int],
        *,
        num_outputs: int = 1,
        rngs: nnx.Rngs,
    ):
        self.start_shape = (*halved(image_shape, len(channels)), channels[0])
        height, width, first = self.start_shape
        self.first = nnx.Linear(num_latents, height * width * first, rngs=rngs)
        self.convs = nnx.List(
            [
                nnx.ConvTranspose(i, o, (4, 4), strides=(2, 2), rngs=rngs)
                for i, o in zip(channels, [*channels[1:], num_outputs], strict=True)
            ]
        )

    def __call__(self, z: Float[Array, " d"]) -> Float[Array, " outputs"]:
        """Raw outputs `[num_outputs * pixels]`, one image after the other."""
        h = jnp.reshape(self.first(z), self.start_shape)
        for conv in self.convs:
            h = conv(nnx.gelu(h))
        return jnp.ravel(jnp.moveaxis(h, -1, 0))


def halved(image_shape: tuple[int, int], times: int) -> tuple[int, int]:
    """Height and width after halving as often; an error where that leaves a remainder."""
    height, width = image_shape
    if height % 2**times or width % 2**times:
        raise ValueError(
            f"height and width must be divisible by {2**times}, once per layer; got {image_shape}"
        )
    return height // 2**times, width // 2**times
