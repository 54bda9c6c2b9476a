"""Adversarial games: perceptrons of points and of small images, with any game, penalties, packing and labels."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from genjax.faults import UsageError
from genjax.training.options import Bounds, Count, Decay, NonNegative, Options, Positive, Width

if TYPE_CHECKING:
    from genjax.data import Spec, View
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train a generator against a discriminator."""

    data: Literal["line", "ring", "grid", "circle", "digits", "mnist", "stacked-mnist"] = "ring"
    """Data set to learn."""
    game: Literal["minimax", "non-saturating", "least-squares", "hinge", "wasserstein", "relativistic"] = (
        "non-saturating"
    )
    """What the two players minimise."""
    out: Path = Path("runs/gan-ring")
    steps: Count = 8000
    batch_size: Count = 256
    learning_rate: Positive = 2e-3
    clip: Positive = 1e6
    ema: Decay = 0.999
    validate_every: Count = 500
    critic_learning_rate: Positive = 2e-3
    """Peak learning rate of the discriminator; --learning-rate is the generator's."""
    momentum: Decay = 0.0
    """Decay of the average of gradients in either optimizer (Adam's first)."""
    critic_steps: Count = 1
    """Moves of the discriminator per step, each on its own part of the batch."""
    latents: Width = 16
    """Dimensions of the generator's Gaussian noise."""
    hidden: tuple[Width, ...] = (128, 128)
    """Widths of the hidden layers of either player."""
    r1: NonNegative = 0.1
    """Weight γ of ½ γ ‖∇ logit‖² at real examples."""
    r2: NonNegative = 0.0
    """Weight γ of ½ γ ‖∇ logit‖² at generated examples."""
    slope_penalty: NonNegative = 0.0
    """Weight of (‖∇ logit‖ − 1)² between real and generated examples, as Wasserstein critics need; usually 10."""
    penalty_every: Count = 1
    """Steps from one use of the penalties to the next; they then count for all steps between."""
    spectral: bool = False
    """Divide each weight matrix of the discriminator by its largest singular value."""
    target: Annotated[float, Bounds(0.5, 1)] = 1.0
    """What the discriminator should say of real examples; below 1 is one-sided label smoothing."""
    pack: Annotated[int, Bounds(1, 16)] = 1
    """Examples that the discriminator judges together (PacGAN); more than one punishes collapse."""
    conditional: bool = False
    """Show both players the label."""
    classifier: Path | None = None
    """Folder of a run of classifier.py, by which samples of images are judged; without one pixels are compared."""
    measuring: ClassVar[tuple[str, ...]] = (*Options.measuring, "classifier")


def points(name, description, **options):
    """A preset of a density that is known."""
    return description, replace(Config(), data=name, out=Path(f"runs/gan-{name}"), **options)


def images(name, description, **options):
    """A preset of images."""
    shared = {"steps": 12_000, "latents": 64, "hidden": (256, 256), "batch_size": 64, "penalty_every": 4}
    return description, replace(Config(), data=name, out=Path(f"runs/gan-{name}"), **(shared | options))


PRESETS = {
    "line": points("line", "Two Gaussians on a line, where the best discriminator is known", latents=1),
    "ring": points("ring", "Eight Gaussians on a ring of radius 2", latents=2),
    "grid": points("grid", "25 Gaussians on a grid", latents=2, steps=40_000, r1=0.02),
    "circle": points("circle", "A noisy circle", latents=2),
    "digits": images("digits", "Digits of 8×8 pixels"),
    "mnist": images("mnist", "MNIST", hidden=(512, 512)),
    "stacked-mnist": images("stacked-mnist", "Three digits of MNIST in three channels: 1,000 modes"),
}


class Players(NamedTuple):
    """The two networks of a configuration, as functions of the parameters of both.

    Args:
        view: how they see the data.
        num_classes: of the labels that they are shown; 0 without labels.
        init: `init(key) -> params`, of both.
        generate: `generate(params, key) -> x`; `generate(params, key, label)` where they are shown labels.
        logit: `logit(params, x) -> scalar`, of events as the discriminator sees them, `[pack, size]`.
    """

    view: "View"
    num_classes: int
    init: Callable
    generate: Callable
    logit: Callable


def players(config: Config, data: "Spec") -> Players:
    """The networks of a configuration."""
    import jax
    from flax import nnx

    from genjax import nn
    from genjax.data import views

    view = views.points(data) if data.num_levels is None else views.dequantized(data)
    view = views.reshaped(view, (data.num_dims,))
    num_classes = data.num_classes if config.conditional else 0
    if num_classes is None:
        raise UsageError(f"--conditional needs labels, and {data.name} has none")
    num_inputs, num_events = config.latents + num_classes, config.pack * (data.num_dims + num_classes)
    leaky = partial(jax.nn.leaky_relu, negative_slope=0.2)
    init_generator, generator = nn.functional(
        lambda rngs: nn.MLP(num_inputs, config.hidden, data.num_dims, activation=jax.nn.relu, rngs=rngs)
    )
    init_critic, critic = nn.functional(
        lambda rngs: nn.MLP(
            num_events, config.hidden, 1, activation=leaky, spectral=config.spectral, rngs=rngs
        ),
        constants=nnx.BatchStat if config.spectral else None,
    )

    def init(key):
        key_critic, key_generator = jax.random.split(key)
        return {"critic": init_critic(key_critic), "generator": init_generator(key_generator)}

    def generate(params, key, label=None):
        raw = generator(
            params["generator"], with_label(jax.random.normal(key, (config.latents,)), label, num_classes)
        )
        return raw if data.num_levels is None else jax.nn.sigmoid(raw)

    return Players(view, num_classes, init, generate, lambda params, x: critic(params["critic"], x)[0])


def with_label(x, label, num_classes: int):
    """An example and its label as one event."""
    import jax
    import jax.numpy as jnp

    return jnp.concatenate([x, jax.nn.one_hot(label, num_classes)]) if num_classes else x


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration: implicit, it has samples and no likelihood."""
    import jax
    import jax.numpy as jnp

    from genjax import expectation, gan, metrics
    from genjax.training import Model, Player, make_game_step, make_optimizer

    if config.batch_size % (config.critic_steps * config.pack):
        raise UsageError(
            "--batch-size must be a multiple of --critic-steps times --pack; got "
            f"{config.batch_size}, {config.critic_steps} and {config.pack}"
        )
    game = getattr(gan, config.game.replace("-", "_"))
    if config.target < 1:
        try:
            game = gan.smoothed(game, config.target)
        except ValueError as error:
            raise UsageError(f"--target: {error}") from error
    view, num_classes, init, generate, logit = players(config, data)

    def drawn(params, key, batch):
        """Real and generated examples of equal labels, `[n, size]`, and what to tell the players of the labels."""
        stored, *labels = batch if num_classes else (batch,)
        keys = jax.random.split(key, (2, len(stored)))
        fake = jax.vmap(partial(generate, params))(keys[1], *labels)
        return jax.vmap(view.observe)(keys[0], stored), fake, *labels

    def pairs(params, key, batch):
        """The same as the discriminator sees them: `[n / pack, pack, size]`."""
        real, fake, *labels = drawn(params, key, batch)
        label = labels[0] if labels else jnp.zeros(len(real), int)
        events = jax.vmap(partial(with_label, num_classes=num_classes))
        return [events(x, label).reshape(-1, config.pack, real.shape[1] + num_classes) for x in (real, fake)]

    def loss(of_game):
        def of_batch(params, key, batch):
            real, fake = pairs(params, key, batch)
            return jax.vmap(lambda r, f: of_game(logit(params, r), logit(params, f)))(real, fake).mean()

        return of_batch

    def penalty(params, key, batch):
        key_pair, key_between = jax.random.split(key)
        critic = partial(logit, params)

        def one(key, real, fake):
            u = jax.random.uniform(key)
            between = lambda: gan.gradient_penalty(critic, u * real + (1 - u) * fake)
            slope = lambda x: gan.squared_gradient_norm(critic, x) / 2
            terms = (
                (config.r1, lambda: slope(real)),
                (config.r2, lambda: slope(fake)),
                (config.slope_penalty, between),
            )
            return sum(weight * term() for weight, term in terms if weight)

        return expectation(one)(key_between, *pairs(params, key_pair, batch))

    def validate(params, validation):
        """How far samples are from validation data: no loss of a player says how good it is."""
        key_drawn, key_lines = jax.random.split(jax.random.key(0))
        some = jax.tree.map(lambda leaf: leaf[:NUM_VALIDATE], validation)
        real, fake = (jax.vmap(view.show)(x) for x in drawn(params, key_drawn, some)[:2])
        return metrics.sliced_wasserstein(key_lines, real, fake)

    penalised = config.r1 or config.r2 or config.slope_penalty
    optimizer = partial(make_optimizer, config, b1=config.momentum)
    game_step = make_game_step(
        {
            "critic": Player(
                loss(game.discriminator_loss),
                optimizer(learning_rate=config.critic_learning_rate),
                repeats=config.critic_steps,
                penalty=penalty if penalised else None,
                penalty_every=config.penalty_every,
            ),
            "generator": Player(loss(game.generator_loss), optimizer()),
        }
    )
    return Model(
        name=f"generator and discriminator ({config.game}{f', packs of {config.pack}' if config.pack > 1 else ''})",
        view=view,
        init=lambda key, x: init(key),
        sample=generate,
        steps=game_step,
        validate=validate,
        num_classes=num_classes or None,
    )


NUM_VALIDATE = 2000
"""Validation examples that samples are compared with."""
