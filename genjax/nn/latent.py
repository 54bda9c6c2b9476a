"""Encoder and decoder of a latent-variable model, as functions of one dictionary of parameters."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, PRNGKeyArray, PyTree

from genjax.nn.functional import functional
from genjax.nn.heads import Head
from genjax.nn.mlp import MLP, GaussianMLP

__all__ = ["LatentModel", "latent_model"]


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
    encoder_init, encoder = functional(lambda rngs: GaussianMLP(num_dims, hidden, num_latents, rngs=rngs))
    decoder_init, decoder = functional(
        lambda rngs: MLP(num_latents, hidden[::-1], num_dims * head.num_outputs, rngs=rngs)
    )

    def init(key: PRNGKeyArray) -> dict[str, Any]:
        key_encoder, key_decoder = jax.random.split(key)
        return {"encoder": encoder_init(key_encoder), "decoder": decoder_init(key_decoder)}

    return LatentModel(
        init,
        encode=lambda params, x: encoder(params["encoder"], x),
        log_likelihood=lambda params, x, z: head.log_prob(x, decoder(params["decoder"], z)),
        decode=lambda params, z: head.mean(decoder(params["decoder"], z)),
    )
