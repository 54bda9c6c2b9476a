"""Flax NNX networks of one example, used as pure functions of a plain dictionary of parameters."""

from genjax.nn.classifier import Classified, Classifier
from genjax.nn.condition import Condition, time_features
from genjax.nn.continuous import continuous_flow
from genjax.nn.conv import ConvDecoder, ConvEncoder
from genjax.nn.dit import DiT
from genjax.nn.flows import (
    identity_actnorm,
    maf,
    real_nvp,
    spline_autoregressive_flow,
    spline_coupling_flow,
)
from genjax.nn.functional import functional
from genjax.nn.glow import glow
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
from genjax.nn.masked import MaskedMLP
from genjax.nn.mlp import MLP, GaussianMLP
from genjax.nn.timed import TimedMLP
from genjax.nn.transformer import CausalTransformer
from genjax.nn.unet import UNet

__all__ = [
    "MADE",
    "MLP",
    "CausalTransformer",
    "Classified",
    "Classifier",
    "Condition",
    "ConvDecoder",
    "ConvEncoder",
    "DiT",
    "GaussianMLP",
    "Head",
    "LatentModel",
    "MaskedMLP",
    "TimedMLP",
    "UNet",
    "bernoulli_head",
    "continuous_flow",
    "conv_latent_model",
    "discretized_logistic_head",
    "functional",
    "glow",
    "identity_actnorm",
    "latent_model",
    "logistic_mixture_logits",
    "logistic_mixture_parameters",
    "maf",
    "normal_head",
    "real_nvp",
    "spline_autoregressive_flow",
    "spline_coupling_flow",
    "time_features",
]
