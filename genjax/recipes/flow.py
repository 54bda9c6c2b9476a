"""Normalizing flows: splines, couplings and continuous flows of points, MAF and Glow of dequantised pixels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from genjax.faults import UsageError
from genjax.training.options import Bounds, Count, Decay, Depth, Options, Positive, Width

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train a normalizing flow."""

    data: Literal[
        "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals", "digits", "mnist"
    ] = "circle"
    """Data set to learn."""
    model: Literal["spline", "spline-coupling", "realnvp", "maf", "glow", "continuous"] = "spline"
    """Autoregressive splines, coupled splines, RealNVP, MAF, Glow (images alone), or a continuous flow."""
    out: Path = Path("runs/flow-circle")
    steps: Count = 8000
    batch_size: Count = 512
    learning_rate: Positive = 3e-3
    clip: Positive = 5.0
    ema: Decay = 0.99
    validate_every: Count = 500
    layers: Depth = 4
    """Layers of the flow, or steps in each scale of Glow."""
    hidden: tuple[Width, ...] = (64, 64)
    """Widths of the conditioners' hidden layers; the first is the channels of Glow's convolutions."""
    bins: Annotated[int, Bounds(2, 1000)] = 16
    """Bins of each spline."""
    bound: Positive = 4.0
    """Half the side of the box outside which splines are the identity; pictures and integrals cover it."""
    squeeze: Annotated[float, Bounds(0, 0.5, below=True)] = 1e-6
    """λ in the logit of λ + (1 − 2λ) u, which maps pixels u to the reals."""


def toy(name, description, **options):
    """A preset of a density in the plane."""
    return description, replace(Config(), data=name, out=Path(f"runs/flow-{name}"), **options)


PRESETS = {
    "checkerboard": toy("checkerboard", "The dark squares of a board", bound=5.0),
    "circle": toy("circle", "A circle of radius 2 with radial noise"),
    "grid": toy("grid", "25 Gaussians on a grid", bound=6.0),
    "moons": toy("moons", "Two moons"),
    "pinwheel": toy("pinwheel", "Bent arms"),
    "ring": toy("ring", "Eight Gaussians on a ring of radius 2"),
    "spirals": toy("spirals", "Two spirals", bound=5.0),
    "digits": toy(
        "digits",
        "Digits of 8×8 pixels, 17 grey levels: Glow",
        model="glow",
        steps=3000,
        batch_size=128,
        learning_rate=1e-3,
        hidden=(32,),
        validate_every=100,
    ),
    "mnist": toy(
        "mnist",
        "MNIST with uniform dequantisation: MAF in logit space",
        model="maf",
        batch_size=100,
        learning_rate=1e-4,
        layers=5,
        hidden=(512, 512),
        validate_every=1000,
    ),
}


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration; the flow is its own parameters, with the Jacobian of the logit in it, once."""
    import jax

    from genjax import Kind, flow, nn
    from genjax.data import views
    from genjax.training import LogProb, Model

    images, dims = data.num_levels is not None, data.num_dims
    if config.model == "glow" and not images:
        raise UsageError("--model glow needs images; a toy density has points")
    if config.precision != "float32":
        raise UsageError(f"--precision {config.precision}: the Jacobian of a flow needs float32")
    if not config.hidden:
        raise UsageError("--hidden needs at least one width")
    shape = (*data.event_shape, 1) if config.model == "glow" else (dims,)
    view = views.reshaped(views.dequantized(data) if images else views.points(data), shape)

    sizes = {"num_layers": config.layers, "hidden": config.hidden}
    splines = {"num_bins": config.bins, "bound": config.bound}
    glow = {"num_scales": 2, "num_steps": config.layers, "channels": config.hidden[0]}
    build = {
        "spline": lambda key: nn.spline_autoregressive_flow(key, dims, **sizes, **splines),
        "spline-coupling": lambda key: nn.spline_coupling_flow(key, dims, **sizes, **splines),
        "realnvp": lambda key: nn.real_nvp(key, dims, **sizes),
        "maf": lambda key: nn.maf(key, dims, **sizes),
        "glow": lambda key: nn.glow(key, (data.event_shape[0], data.event_shape[1], 1), **glow),
        "continuous": lambda key: nn.continuous_flow(key, dims, hidden=config.hidden),
    }[config.model]

    def init(key, x):
        net = build(key)
        return flow.fit_actnorm(flow.Chain((net, flow.Sigmoid(config.squeeze))) if images else net, x)

    def loss(bijector, key, stored):
        return flow.negative_log_likelihood(bijector, view.observe(key, stored))

    def integrate(bijector, key):
        """A sample of a continuous flow, without the divergence that only a density needs."""
        net, *rest = bijector.bijectors if images else (bijector,)
        x, num_calls = net.integrate(jax.random.normal(key, shape))
        for layer in rest:
            x, _ = layer.forward(x)
        return x, num_calls

    continuous = config.model == "continuous"
    one_by_one = config.model in ("spline", "maf")  # each coordinate waits for those before it
    return Model(
        name=f"normalizing flow ({config.model})",
        view=view,
        init=init,
        sample=(
            (lambda bijector, key: integrate(bijector, key)[0])
            if continuous
            else (lambda bijector, key: bijector.forward(jax.random.normal(key, shape))[0])
        ),
        loss=loss,
        log_probs={"log p(x)": LogProb(lambda *args: -loss(*args), Kind.EXACT)},
        calls=(lambda bijector, key: integrate(bijector, key)[1])
        if continuous
        else dims
        if one_by_one
        else 1,
        # Gradients of convolutions in a loop are many times slower on a CPU.
        steps_per_call=1 if config.model == "glow" and jax.default_backend() == "cpu" else None,
    )
