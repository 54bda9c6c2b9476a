"""Flax NNX networks of one example, used as pure functions of a plain dictionary of parameters."""

from genjax.nn.conv import ConvDecoder, ConvEncoder
from genjax.nn.functional import functional
from genjax.nn.heads import (
    Head,
    bernoulli_head,
    discretized_logistic_head,
    logistic_mixture_logits,
    logistic_mixture_parameters,
    normal_head,
)
from genjax.nn.latent import LatentModel, conv_latent_model, latent_model
from genjax.nn.made import MADE
from genjax.nn.mlp import MLP, GaussianMLP
from genjax.nn.transformer import CausalTransformer

__all__ = [
    "MADE",
    "MLP",
    "CausalTransformer",
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
    "logistic_mixture_logits",
    "logistic_mixture_parameters",
    "normal_head",
]
