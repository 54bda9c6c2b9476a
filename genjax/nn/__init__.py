"""Flax NNX networks of one example, used as pure functions of a plain dictionary of parameters."""

from genjax.nn.conv import ConvDecoder, ConvEncoder
from genjax.nn.functional import functional
from genjax.nn.heads import Head, bernoulli_head, discretized_logistic_head, normal_head
from genjax.nn.latent import LatentModel, conv_latent_model, latent_model
from genjax.nn.mlp import MLP, GaussianMLP

__all__ = [
    "MLP",
    "ConvDecoder",
    "ConvEncoder",
    "GaussianMLP",
    "Head",
    "LatentModel",
    "bernoulli_head",
    "conv_latent_model",
    "discretized_logistic_head",
    "functional",
    "latent_model",
    "normal_head",
]
