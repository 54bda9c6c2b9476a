"""Autoregressive models: a class-conditional causal transformer, and MADE."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from genjax.faults import UsageError
from genjax.training.options import Bounds, Count, Depth, NonNegative, Options, Positive, Width

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train an autoregressive model."""

    data: Literal["digits", "mnist", "binarized-mnist"] = "digits"
    """Data set to learn."""
    model: Literal["transformer", "made"] = "transformer"
    """A class-conditional causal transformer, or a masked perceptron."""
    out: Path = Path("runs/autoregressive-digits")
    steps: Count = 1000
    batch_size: Count = 64
    weight_decay: NonNegative = 0.1
    clip: Positive = 1.0
    width: Width = 64
    """Width of the transformer's residual stream."""
    layers: Depth = 2
    """Blocks of the transformer."""
    heads: Count = 4
    """Attention heads of the transformer."""
    hidden: tuple[Width, ...] = (500,)
    """Widths of MADE's hidden layers."""
    order: Literal["natural", "random"] = "natural"
    """The order of MADE's inputs; random: one order, fixed by the seed."""
    direct: bool = False
    """Add MADE's masked connections from inputs to outputs."""
    temperature: Positive = 1.0
    """Temperature of the samples; 1 is the model itself."""
    num_samples: Annotated[int, Bounds(4, 10**7)] = 100
    """Samples drawn for every seed; what they are compared by needs four."""
    measuring: ClassVar[tuple[str, ...]] = (*Options.measuring, "num_samples")


# The learning rate ends at zero, so that the last validation is the best one.
MADE = Config(
    model="made",
    steps=15_000,
    batch_size=100,
    learning_rate=3e-3,
    clip=100.0,
    validate_every=1000,
    direct=True,
)

PRESETS = {
    "digits": ("Digits of 8×8 pixels, 17 grey levels, class-conditional", Config()),
    "binarized-mnist": (
        "MNIST in its canonical static binarisation: natural order, masked direct connections",
        replace(MADE, data="binarized-mnist", out=Path("runs/autoregressive-binarized-mnist")),
    ),
    "binarized-mnist-random": (
        "MNIST in its canonical static binarisation: one random order, no direct connections",
        replace(
            MADE,
            data="binarized-mnist",
            order="random",
            direct=False,
            learning_rate=5e-3,
            weight_decay=0.03,
            out=Path("runs/autoregressive-binarized-mnist-random"),
        ),
    ),
    "mnist": (
        "MNIST, binarised anew at every step",
        replace(MADE, data="mnist", out=Path("runs/autoregressive-mnist")),
    ),
}


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration; `sample` also takes `prefix`, the levels to begin with."""
    import jax.numpy as jnp
    import numpy as np

    from genjax import Kind, autoregressive, nn
    from genjax.data import views
    from genjax.training import LogProb, Model

    dims, conditional = data.num_dims, config.model == "transformer"
    if conditional and not data.num_classes:
        raise UsageError(f"--model transformer needs labels, and {data.name} has none; use --model made")
    if config.width % config.heads:
        raise UsageError(f"--width must be a multiple of --heads; got {config.width} and {config.heads}")
    view = views.reshaped(views.binary(data), (dims,)) if config.data == "mnist" else views.levels(data)
    num_levels = 2 if config.data == "mnist" else data.num_levels or 0
    num_classes = data.num_classes or 0
    shuffled = np.random.default_rng(config.seed).permutation(dims).tolist()
    order = shuffled if config.order == "random" and not conditional else list(range(dims))
    sizes = {"width": config.width, "num_layers": config.layers, "num_heads": config.heads}
    transformer = lambda rngs: nn.CausalTransformer(
        dims, num_levels, **sizes, num_classes=num_classes, rngs=rngs
    )
    made = lambda rngs: nn.MADE(dims, config.hidden, num_levels, order=order, direct=config.direct, rngs=rngs)

    init, apply = nn.functional(transformer if conditional else made)
    _, cached_step = nn.functional(transformer, method=nn.CausalTransformer.step)
    _, empty_cache = nn.functional(transformer, method=nn.CausalTransformer.empty_cache)

    def observe(key, stored):
        """One example as a row of integers, and what the network is told besides."""
        image, label = stored if conditional else (stored, None)
        return view.observe(key, image).astype(int), label

    def logits_fn(params, label):
        return (lambda x: apply(params, x, label)) if conditional else partial(apply, params)

    def loss(params, key, stored):
        x, label = observe(key, stored)
        return autoregressive.negative_log_likelihood(logits_fn(params, label), x)

    def by_class(params, key, stored):
        """Bayes' rule under equal classes: log p(x), and log p(y|x) of every class."""
        log_likelihood = lambda x, y: autoregressive.log_prob(logits_fn(params, y), x)
        log_prior = jnp.full(num_classes, -np.log(num_classes))
        terms = autoregressive.bayes_rule(log_likelihood, observe(key, stored)[0], log_prior)
        return {"log p(x)": terms.marginal, "log p(y|x)": terms.posterior}

    def draw(params, key, label=None, prefix=None):
        options = {"temperature": config.temperature, "prefix": prefix}
        if conditional:
            step = lambda *state: cached_step(params, *state, label)
            return autoregressive.cached_sample(key, step, empty_cache(params), dims, **options)
        in_order = autoregressive.reordered(logits_fn(params, label), order)
        return autoregressive.sample(key, in_order, dims, **options)[np.argsort(order)]

    plain = lambda params, key, stored: -loss(params, key, stored)
    return Model(
        name="causal transformer" if conditional else "MADE",
        view=view,
        init=lambda key, x: init(key),
        sample=draw,
        loss=loss,
        log_probs={"log p(x)": LogProb(by_class if conditional else plain, Kind.EXACT)},
        calls=dims,
        num_classes=num_classes if conditional else None,
    )
