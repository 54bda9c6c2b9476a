"""What an autoencoder and a variational one share: options, presets, and networks whose likelihood fits the data."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from genjax.faults import UsageError
from genjax.training.options import NonNegative, Options, Width

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.data.views import View
    from genjax.nn import LatentModel

__all__ = ["LatentOptions", "networks", "presets"]


@dataclass(frozen=True)
class LatentOptions(Options):
    """Options of a model with an encoder and a decoder."""

    data: Literal["digits", "mnist", "binarized-mnist", "circle"] = "digits"
    """Data set to learn."""
    weight_decay: NonNegative = 0.1
    latents: Width = 16
    """Dimensions of the latent."""
    hidden: tuple[Width, ...] = (128, 128)
    """Widths of the encoder's hidden layers, or channels of its convolutions; the decoder mirrors them."""
    conv: bool = False
    """Use convolutions instead of dense layers; each halves the image."""


def presets(config: Any, family: str) -> dict[str, tuple[str, Any]]:
    """The presets of a family, from its default configuration for digits.

    Args:
        config: the configuration for digits.
        family: the recipe's name.

    Returns:
        Name to description and configuration.
    """
    images = {"steps": 10_000, "hidden": (400,), "latents": 32, "learning_rate": 2e-3, "weight_decay": 1e-4}
    images |= {"validate_every": 1000}
    described = {
        "digits": ("Digits of 8×8 pixels, 17 grey levels", {}),
        "mnist": ("MNIST, binarised anew at every step", images),
        "binarized-mnist": ("MNIST in its canonical static binarisation", images),
        "circle": ("A noisy circle in the plane", {"latents": 2, "weight_decay": 0.0, "steps": 4000}),
    }
    return {
        data: (text, replace(config, data=data, out=Path(f"runs/{family}-{data}"), **options))
        for data, (text, options) in described.items()
    }


def networks(config: LatentOptions, data: "Spec") -> "tuple[View, LatentModel]":
    """How the data are seen, and the encoder and decoder, as functions of one dictionary of parameters."""
    from genjax import nn
    from genjax.data import views

    view, head = {
        "digits": (views.centred, nn.discretized_logistic_head),
        "mnist": (views.binary, lambda levels: nn.bernoulli_head),
        "binarized-mnist": (views.binary, lambda levels: nn.bernoulli_head),
        "circle": (views.points, lambda levels: nn.normal_head),
    }[config.data]
    sizes = (config.hidden, config.latents, head(data.num_levels))
    if not config.conv:
        return view(data), nn.latent_model(data.num_dims, *sizes)
    try:
        return view(data), nn.conv_latent_model(data.event_shape, *sizes)
    except ValueError as error:
        raise UsageError(f"--conv: {error}") from error
