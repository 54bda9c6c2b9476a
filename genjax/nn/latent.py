"""Encoder and decoder of a latent-variable model, as functions of one dictionary of parameters."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from flax import nnx
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax.nn.conv import ConvDecoder, ConvEncoder
from genjax.nn.functional import functional
from genjax.nn.heads import Head
from genjax.nn.mlp import MLP, GaussianMLP

__all__ = ["LatentModel", "conv_latent_model", "latent_model"]


class LatentModel(NamedTuple):
    """What a VAE or an autoencoder of one example needs of its networks; bind `params` with `functools.partial`.

    Args:
        init: `init(key) -> params`.
        encode: `encode(params, x) -> (mean, log_var)` of q(z|x).
        log_likelihood: `log_likelihood(params, x, z) -> scalar`, log p(x|z) in nats.
        decode: `decode(params, z)`, the mean of x given z, flat.
    """

    init: Callable[[PRNGKeyArray], PyTree[Array]]
    encode: Callable[..., tuple[Array, Array]]
    log_likelihood: Callable[..., Array]
    decode: Callable[..., Array]


def latent_model(num_dims: int, hidden: Sequence[int], num_latents: int, head: Head) -> LatentModel:
    """Multilayer perceptrons: an encoder, and a decoder that mirrors it.

    Args:
        num_dims: dimensions of one example.
        hidden: widths of the encoder's hidden layers; the decoder's are reversed.
        num_latents: dimensions of the latent.
        head: the likelihood of the data.

    Returns:
        `LatentModel`.

    >>> from genjax.nn import bernoulli_head
    >>> model = latent_model(4, (8,), 2, bernoulli_head)
    >>> model.decode(model.init(jax.random.key(0)), jnp.zeros(2)).shape
    (4,)
    """
    return _latent_model(
        lambda rngs: GaussianMLP(num_dims, hidden, num_latents, rngs=rngs),
        lambda rngs: MLP(num_latents, hidden[::-1], num_dims * head.num_outputs, rngs=rngs),
        head,
    )


def conv_latent_model(
    image_shape: tuple[int, ...], channels: Sequence[int], num_latents: int, head: Head
) -> LatentModel:
    """Strided convolutions: an encoder that halves the image in every layer, and a decoder that doubles it.

    Args:
        image_shape: height and width, each divisible by 2 to the number of layers.
        channels: of the encoder's layers; the decoder's are reversed.
        num_latents: dimensions of the latent.
        head: the likelihood of the data.

    Returns:
        `LatentModel`.

    Raises:
        ValueError: the data are no grey images, or a side is not divisible.

    >>> from genjax.nn import bernoulli_head
    >>> model = conv_latent_model((8, 8), (4, 8), 2, bernoulli_head)
    >>> model.decode(model.init(jax.random.key(0)), jnp.zeros(2)).shape
    (64,)
    """
    if len(image_shape) != 2:
        raise ValueError(f"convolutions need images of height and width; got the event shape {image_shape}")
    outputs = {"num_outputs": head.num_outputs}
    return _latent_model(
        lambda rngs: ConvEncoder(image_shape, channels, num_latents, rngs=rngs),
        lambda rngs: ConvDecoder(num_latents, channels[::-1], image_shape, **outputs, rngs=rngs),
        head,
    )


def _latent_model(
    build_encoder: Callable[[nnx.Rngs], nnx.Module],
    build_decoder: Callable[[nnx.Rngs], nnx.Module],
    head: Head,
) -> LatentModel:
    encoder_init, encoder = functional(build_encoder)
    decoder_init, decoder = functional(build_decoder)

    def init(key: PRNGKeyArray) -> dict[str, Any]:
        key_encoder, key_decoder = jax.random.split(key)
        return {"encoder": encoder_init(key_encoder), "decoder": decoder_init(key_decoder)}

    return LatentModel(
        init,
        encode=lambda params, x: encoder(params["encoder"], x),
        log_likelihood=lambda params, x, z: head.log_prob(x, decoder(params["decoder"], z)),
        decode=lambda params, z: head.mean(decoder(params["decoder"], z)),
    )
