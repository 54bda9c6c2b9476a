"""What diffusion, score and flow-matching models share: a network of an example, a time and a label."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from genjax.faults import UsageError
from genjax.training.options import Bounds, Count, Decay, Depth, NonNegative, Options, Positive, Share, Width

if TYPE_CHECKING:
    from genjax.data import Spec, View

__all__ = ["Denoiser", "DenoiserOptions", "Network", "denoiser", "presets"]

Network = tuple[Callable[..., Any], Callable[..., Any]]
"""A network of any framework: `init(key) -> params` and `apply(params, x, t, label=None)`, t in [0, 1] (two of them
where an average velocity is learned), of the shape of x."""


@dataclass(frozen=True)
class DenoiserOptions(Options):
    """Options of a model whose network is told a time."""

    data: Literal[
        "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals", "digits", "mnist"
    ] = "ring"
    """Data set to learn."""
    steps: Count = 10_000
    batch_size: Count = 512
    clip: Positive = 1.0
    ema: Decay = 0.999
    validate_every: Count = 500
    network: Literal["mlp", "dit", "unet"] = "mlp"
    """Network: a perceptron (mlp), or for images a transformer on patches (dit) or convolutions (unet)."""
    width: Width = 128
    """Width of the network's residual stream; of a unet, channels of its finest level, doubled at each other."""
    layers: Depth = 3
    """Residual blocks of the network; of a unet, its levels."""
    heads: Annotated[int, Bounds(1, 64)] = 4
    """Attention heads of a transformer or a unet; they divide the width."""
    patch: Annotated[int, Bounds(1, 64)] = 2
    """Pixels on the side of a transformer's patch."""
    remat: bool = False
    """Compute the blocks of a dit again in the backward pass: less memory, and a third more arithmetic."""
    scale: Positive = 1.5
    """What points are divided by, about their standard deviation; images lie in [-1, 1]."""
    conditional: bool = False
    """Show the network the label."""
    label_dropout: Share = 0.1
    """Share of the labels that training hides, for guidance without a classifier."""
    guidance: NonNegative = 1.0
    """Scale of classifier-free guidance: 0 without the label, 1 with it, above 1 pushed further."""
    sampling_steps: Count = 50
    """Steps from noise to data; of annealed Langevin dynamics, at each noise level."""
    classifier: Path | None = None
    """Folder of a run of classifier.py, by which samples of images are judged; without one pixels are compared."""
    measuring: ClassVar[tuple[str, ...]] = (
        *Options.measuring,
        "classifier",
        "guidance",
        "sampling_steps",
    )


class Denoiser(NamedTuple):
    """The network of a configuration, and how it sees the data.

    Args:
        view: how the data are seen.
        num_classes: of the labels it is shown; 0 without.
        init: `init(key) -> params`.
        network: `network(params, label) -> fn(x, t)`, t in [0, 1]; the label `num_classes` hides it.
        dropped: `dropped(key, label)`, the label as training shows it.
        guided: `guided(params, label, scale) -> fn(x, t)`, at a scale of classifier-free guidance.
        calls: of the network, in one call of `guided` at the configured scale.
    """

    view: "View"
    num_classes: int
    init: Callable
    network: Callable
    dropped: Callable
    guided: Callable
    calls: int


def denoiser(
    config: DenoiserOptions, data: "Spec", *, num_times: int = 1, network: Network | None = None
) -> Denoiser:
    """The network of a configuration.

    Args:
        config: the configuration.
        data: what is known of the data set.
        num_times: times that the network is told.
        network: in place of the configuration's own.

    Returns:
        `Denoiser`.

    Raises:
        UsageError: options that contradict each other or the data.
    """
    import jax
    import jax.numpy as jnp

    from genjax import nn
    from genjax.data import views
    from genjax.diffusion import classifier_free_guidance

    num_classes = data.num_classes if config.conditional else 0
    if num_classes is None:
        raise UsageError(f"--conditional needs labels, and {data.name} has none")
    if num_classes and config.guidance != 1 and not config.label_dropout:
        raise UsageError(
            f"--guidance {config.guidance:g} needs --label-dropout above 0, or the network never works without one"
        )
    if not num_classes and config.guidance != 1:
        raise UsageError(
            f"--guidance {config.guidance:g} is between two predictions of a --conditional network"
        )
    images = data.num_levels is not None
    view = views.centred(data) if images else views.scaled(views.points(data), config.scale)
    init, apply = network or nn.functional(_build(config, data, num_classes, num_times))
    labelled = lambda params, label: lambda x, *t: apply(params, x, *t, label=label)

    def dropped(key: Any, label: Any) -> Any:
        return jnp.where(jax.random.bernoulli(key, config.label_dropout), num_classes, label)

    def guided(params: Any, label: Any, scale: Any) -> Callable:
        if not num_classes:
            return labelled(params, None)
        if isinstance(scale, int | float) and scale in (0, 1):  # one of the two alone, at half the cost
            return labelled(params, label if scale else num_classes)
        return classifier_free_guidance(labelled(params, label), labelled(params, num_classes), scale)

    calls = 2 if num_classes and config.guidance not in (0, 1) else 1
    return Denoiser(view, num_classes, init, labelled, dropped, guided, calls)


def _build(config: DenoiserOptions, data: "Spec", num_classes: int, num_times: int) -> Callable:
    """`build(rngs)`, the network."""
    from flax import nnx

    from genjax import nn

    if config.remat and config.network != "dit":
        raise UsageError(f"--remat is for --network dit; got {config.network}")
    if config.network == "mlp":
        sizes = {"width": config.width, "num_layers": config.layers, "num_classes": num_classes}
        largest = 1000.0 if num_times == 1 else 30.0  # an average is trained by its derivative along the time
        times = {"num_times": num_times, "largest": largest}
        skip = config.width < data.num_dims
        return lambda rngs: nn.TimedMLP(data.num_dims, **times, **sizes, skip=skip, rngs=rngs)
    if data.num_levels is None:
        raise UsageError(f"--network {config.network} needs images; {data.name} has points")
    if num_times > 1:
        raise UsageError(f"--network {config.network} is told one time; use --network mlp")
    shape = data.event_shape
    heads = {"num_heads": config.heads, "num_classes": num_classes}
    if config.network == "dit":
        sizes = {"patch_size": config.patch, "width": config.width, "num_layers": config.layers} | heads
        network = lambda rngs: nn.DiT(shape, **sizes, remat=config.remat, rngs=rngs)
    else:
        channels = tuple(config.width * 2**level for level in range(config.layers))
        network = lambda rngs: nn.UNet(shape, channels=channels, num_blocks=1, **heads, rngs=rngs)
    try:
        nnx.eval_shape(lambda: network(nnx.Rngs(0)))  # which checks the sizes and builds nothing
    except ValueError as error:
        raise UsageError(f"--network {config.network}: {error}") from error
    return network


def steps_per_call(config: DenoiserOptions) -> int | None:
    """As `Model` has it: gradients of convolutions in a loop are slow on a CPU."""
    import jax

    return 1 if config.network == "unet" and jax.default_backend() == "cpu" else None


def presets(config: Any, family: str, **of_images: Any) -> dict[str, tuple[str, Any]]:
    """The presets of a family, from its default configuration for points.

    Args:
        config: the configuration for points.
        family: the recipe's name.
        **of_images: options of images.

    Returns:
        Name to description and configuration.
    """
    images = {"batch_size": 128, "width": 256, "scale": 1.0, "conditional": True, "steps": 8000}
    images |= of_images
    described = {
        "checkerboard": ("The dark squares of a board", {"scale": 2.5}),
        "circle": ("A circle of radius 2 with radial noise", {}),
        "grid": ("25 Gaussians on a grid", {"scale": 3.0}),
        "moons": ("Two moons", {"scale": 1.0}),
        "pinwheel": ("Bent arms", {"scale": 1.0}),
        "ring": ("Eight Gaussians on a ring of radius 2", {}),
        "spirals": ("Two spirals", {}),
        "digits": ("Digits of 8×8 pixels, by label", images),
        "mnist": ("MNIST, by label", images | {"width": 512, "layers": 4}),
    }
    return {
        data: (text, replace(config, data=data, out=Path(f"runs/{family}-{data}"), **options))
        for data, (text, options) in described.items()
    }
