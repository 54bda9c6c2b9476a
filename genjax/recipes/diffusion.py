"""Diffusion and flow matching: one network of an example and a time, any schedule and any target."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from genjax.faults import UsageError
from genjax.training.options import (
    LARGEST,
    Bounds,
    Count,
    Decay,
    Depth,
    NonNegative,
    Options,
    Positive,
    Share,
    Width,
)

if TYPE_CHECKING:
    from genjax.data import Spec, View
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train a diffusion model."""

    data: Literal[
        "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals", "digits", "mnist"
    ] = "ring"
    """Data set to learn."""
    schedule: Literal["linear", "cosine", "vp", "rectified"] = "vp"
    """Noise schedule: discrete (linear, cosine) or continuous; rectified is flow matching on straight lines."""
    prediction: Literal["noise", "data", "v", "velocity"] = "v"
    """What the network predicts, and what it is compared with."""
    out: Path = Path("runs/diffusion-ring")
    steps: Count = 10_000
    batch_size: Count = 512
    clip: Positive = 1.0
    ema: Decay = 0.999
    validate_every: Count = 500
    network: Literal["mlp", "dit", "unet"] = "mlp"
    """Network: a perceptron (mlp), or for images a transformer on patches (dit) or convolutions (unet)."""
    width: Width = 128
    """Width of the network's residual stream; of a unet, channels of its finest level, doubled at each coarser one."""
    layers: Depth = 3
    """Residual blocks of the network; of a unet, its levels."""
    heads: Annotated[int, Bounds(1, 64)] = 4
    """Attention heads of a transformer or a unet; they divide the width."""
    patch: Annotated[int, Bounds(1, 64)] = 2
    """Pixels on the side of a transformer's patch."""
    scale: Positive = 1.5
    """What points are divided by, about their standard deviation; images lie in [-1, 1]."""
    conditional: bool = False
    """Show the network the label."""
    label_dropout: Share = 0.1
    """Share of the labels that training hides, for guidance without a classifier."""
    guidance: NonNegative = 1.0
    """Scale of classifier-free guidance: 0 without the label, 1 with it, above 1 pushed further."""
    sampler: Literal["ancestral", "ddim", "heun", "dpm"] = "heun"
    """Rule of a sampling step; dpm is the multistep solver DPM-Solver++ (2M)."""
    sampling_steps: Count = 50
    """Steps from noise to data."""
    classifier: Path | None = None
    """Folder of a run of classifier.py, by which samples of images are judged; without one pixels are compared."""
    likelihood_examples: Annotated[int, Bounds(0, LARGEST)] = 1000
    """Test points, evenly spaced, whose likelihood is measured by the ODE (continuous schedules of points)."""
    measuring: ClassVar[tuple[str, ...]] = (
        *Options.measuring,
        "classifier",
        "guidance",
        "sampler",
        "sampling_steps",
        "likelihood_examples",
    )


def points(name, description, **options):
    """A preset of a density in the plane."""
    return description, replace(Config(), data=name, out=Path(f"runs/diffusion-{name}"), **options)


IMAGES = replace(
    Config(), schedule="cosine", batch_size=128, width=512, layers=4, scale=1.0, conditional=True, steps=8000
)
PRESETS = {
    "checkerboard": points("checkerboard", "The dark squares of a board", scale=2.5),
    "circle": points("circle", "A circle of radius 2 with radial noise"),
    "grid": points("grid", "25 Gaussians on a grid", scale=3.0),
    "moons": points("moons", "Two moons", scale=1.0),
    "pinwheel": points("pinwheel", "Bent arms", scale=1.0),
    "ring": points("ring", "Eight Gaussians on a ring of radius 2"),
    "spirals": points("spirals", "Two spirals"),
    "digits": (
        "Digits of 8×8 pixels, by label",
        replace(IMAGES, data="digits", out=Path("runs/diffusion-digits")),
    ),
    "mnist": ("MNIST, by label", replace(IMAGES, data="mnist", width=1024, out=Path("runs/diffusion-mnist"))),
}


class Parts(NamedTuple):
    """What a configuration is made of.

    Args:
        view: how the data are seen.
        schedule: of the noise.
        prediction: what the network says.
        sampler: the rule of a sampling step.
        init: `init(key) -> params`.
        network: `network(params, label) -> predict(x_t, t)`; the label `num_classes` hides it.
        num_classes: of the labels it is shown; 0 without.
    """

    view: "View"
    schedule: Any
    prediction: Any
    sampler: Any
    init: Callable
    network: Callable
    num_classes: int


def parts(config: Config, data: "Spec") -> Parts:
    """The parts of a configuration."""
    import jax.numpy as jnp

    from genjax import diffusion, nn
    from genjax.data import views

    prediction = diffusion.Prediction(config.prediction)
    schedule = {
        "linear": diffusion.linear_schedule,
        "cosine": diffusion.cosine_schedule,
        "vp": diffusion.variance_preserving,
        "rectified": diffusion.rectified,
    }[config.schedule]()
    discrete = config.schedule in ("linear", "cosine")
    if discrete and config.prediction == "velocity":
        raise UsageError("--prediction velocity needs a continuous schedule; --prediction v is its like")
    if config.schedule == "rectified" and config.prediction == "noise":
        raise UsageError("--prediction noise says nothing of the data at the start of --schedule rectified")
    if discrete and config.sampling_steps > 1000:
        raise UsageError(f"--sampling-steps is at most 1000 on this schedule; got {config.sampling_steps}")
    num_classes = data.num_classes if config.conditional else 0
    if num_classes is None:
        raise UsageError(f"--conditional needs labels, and {data.name} has none")
    images = data.num_levels is not None
    view = views.centred(data) if images else views.scaled(views.points(data), config.scale)
    sampler = {
        "ancestral": diffusion.ancestral,
        "ddim": diffusion.ddim,
        "heun": diffusion.heun,
        "dpm": diffusion.dpm_solver_pp_2m,
    }[config.sampler]()
    init, apply = nn.functional(build(config, data, num_classes))
    last = 1000.0 if discrete else 1.0

    def network(params, label):
        return lambda x, t: apply(params, x, jnp.asarray(t, x.dtype) / last, label)

    return Parts(view, schedule, prediction, sampler, init, network, num_classes)


def build(config: Config, data: "Spec", num_classes: int) -> Callable:
    """`build(rngs)`, the network of a configuration."""
    from flax import nnx

    from genjax import nn

    shape = data.event_shape
    if config.network == "mlp":
        sizes = {"width": config.width, "num_layers": config.layers, "num_classes": num_classes}
        return lambda rngs: nn.TimedMLP(data.num_dims, **sizes, rngs=rngs)
    if data.num_levels is None:
        raise UsageError(f"--network {config.network} needs images; {data.name} has points")
    heads = {"num_heads": config.heads, "num_classes": num_classes}
    if config.network == "dit":
        sizes = {"patch_size": config.patch, "width": config.width, "num_layers": config.layers} | heads
        network = lambda rngs: nn.DiT(shape, **sizes, rngs=rngs)
    else:
        channels = tuple(config.width * 2**level for level in range(config.layers))
        network = lambda rngs: nn.UNet(shape, channels=channels, num_blocks=1, **heads, rngs=rngs)
    try:
        nnx.eval_shape(lambda: network(nnx.Rngs(0)))  # which checks the sizes and builds nothing
    except ValueError as error:
        raise UsageError(f"--network {config.network}: {error}") from error
    return network


def guided(made: Parts, params, label, scale):
    """The network at a scale of classifier-free guidance, where it is shown labels."""
    from genjax.diffusion import classifier_free_guidance

    if not made.num_classes:
        return made.network(params, None)
    plain = made.network(params, made.num_classes)
    return classifier_free_guidance(made.network(params, label), plain, scale)


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration; points have a likelihood where the schedule is continuous, by the ODE."""
    import jax
    import jax.numpy as jnp

    from genjax import Kind, diffusion
    from genjax.training import LogProb, Model

    made = parts(config, data)
    view, schedule, prediction = made.view, made.schedule, made.prediction

    def loss(params, key, stored):
        key_data, key_drop, key_loss = jax.random.split(key, 3)
        example, label = stored if made.num_classes else (stored, None)
        if label is not None:
            hidden = jax.random.bernoulli(key_drop, config.label_dropout)
            label = jnp.where(hidden, made.num_classes, label)
        x0 = view.observe(key_data, example)
        return diffusion.denoising_loss(
            key_loss, made.network(params, label), schedule, x0, prediction=prediction
        )

    def sample(params, key, label=None, scale=config.guidance):
        key_start, key_steps = jax.random.split(key)
        x_T = diffusion.prior_sample(key_start, schedule, view.shape)
        predict = guided(made, params, label, scale)
        options = {"num_steps": config.sampling_steps, "sampler": made.sampler, "prediction": prediction}
        return diffusion.sample(key_steps, predict, schedule, x_T, **options)

    def log_prob(params, key, stored):
        x0 = view.observe(key, stored)
        nats = diffusion.log_prob(key, made.network(params, None), schedule, x0, prediction=prediction)
        return nats - data.num_dims * jnp.log(config.scale)  # of the points themselves

    continuous = config.schedule in ("vp", "rectified")
    measured = data.num_levels is None and continuous and config.likelihood_examples
    likelihood = {"log p(x)": LogProb(log_prob, Kind.EXACT, config.likelihood_examples)} if measured else {}
    twice = 2 if made.num_classes and config.guidance not in (0.0, 1.0) else 1
    return Model(
        name=f"diffusion ({config.schedule}, {config.prediction})",
        view=view,
        init=lambda key, x: made.init(key),
        sample=sample,
        loss=loss,
        log_probs=likelihood,
        calls=twice * made.sampler.num_calls(config.sampling_steps),
        num_classes=made.num_classes or None,
        # Gradients of convolutions in a loop are slow on a CPU.
        steps_per_call=1 if config.network == "unet" and jax.default_backend() == "cpu" else None,
    )
