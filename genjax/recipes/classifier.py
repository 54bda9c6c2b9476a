"""A classifier of images: its features and its probabilities judge the samples of every family."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from genjax.faults import UsageError
from genjax.training.options import Bounds, Count, NonNegative, Options, Width

if TYPE_CHECKING:
    from genjax.data import Dataset, Spec
    from genjax.report import Judge
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train a classifier."""

    data: Literal["digits", "mnist"] = "digits"
    """Data set to learn."""
    out: Path = Path("runs/classifier-digits")
    steps: Count = 4000
    batch_size: Count = 128
    weight_decay: NonNegative = 1e-2
    validate_every: Count = 200
    hidden: tuple[Width, ...] = (256, 64)
    """Widths of the hidden layers; the last is the number of features."""
    shift: Annotated[int, Bounds(0, 8)] = 1
    """Pixels by which training images are moved at random, at most."""
    noise: NonNegative = 0.1
    """Standard deviation of the noise on training images, in units of white to black."""


PRESETS = {
    "digits": ("Digits of 8×8 pixels", Config()),
    "mnist": (
        "MNIST",
        replace(
            Config(),
            data="mnist",
            out=Path("runs/classifier-mnist"),
            seeds=1,
            steps=4000,
            hidden=(512, 128),
            shift=2,
            validate_every=500,
        ),
    ),
}


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration: p(class | image), which generates nothing."""
    import jax
    import jax.numpy as jnp

    from genjax import densities
    from genjax.data import views
    from genjax.training import Model

    if not config.hidden:
        raise UsageError("--hidden needs at least one width")
    view = views.centred(data)
    init, apply = network(config, data)

    def loss(params, key, stored):
        """Of an image that is moved and made noisy, so that few are learned by heart."""
        image, label = stored
        key_shift, key_noise = jax.random.split(key)
        x = jnp.pad(view.observe(None, image), config.shift, constant_values=-1.0)
        corner = jax.random.randint(key_shift, (2,), 0, 2 * config.shift + 1)
        x = jax.lax.dynamic_slice(x, corner, image.shape)
        x += 2 * config.noise * jax.random.normal(key_noise, x.shape)
        return cross_entropy(params, x, label)

    def cross_entropy(params, x, label):
        return -densities.categorical_log_prob(label, apply(params, x).logits)

    def validate(params, validation):
        return jnp.mean(jax.vmap(lambda v, y: cross_entropy(params, view.observe(None, v), y))(*validation))

    return Model(
        name="classifier",
        view=view,
        init=lambda key, x: init(key),
        loss=loss,
        validate=validate,
        calls=None,
        num_classes=data.num_classes,
    )


def network(config: Config, data: "Spec"):
    """The classifier as `init(key) -> params` and `apply(params, x) -> Classified`, of one image in [−1, 1]."""
    from genjax import nn

    build = partial(nn.Classifier, data.num_dims, config.hidden, data.num_classes or 0)
    return nn.functional(lambda rngs: build(rngs=rngs))


def judge(path: Path, data: "Dataset") -> "Judge":
    """The classifier of a run, of images as pictures and metrics see them: the first seed's.

    Raises:
        UsageError: there is no such run, or it is of other data.
    """
    import jax

    from genjax.recipes.from_run import rebuild
    from genjax.report import Judge
    from genjax.training.run import RunFolder

    of = data.name.removeprefix("stacked_")
    if not (path / "config.json").exists():
        raise UsageError(
            f"--classifier: no run in {path}; `python experiments/classifier.py {of} --out {path}` makes one"
        )
    content = RunFolder(path).read_config()
    if content["family"] != "classifier" or content["data"]["name"] != of:
        raise UsageError(
            f"--classifier: {path} holds a run of {content['family']} on {content['data']['name']}, "
            f"and a classifier of {of} is needed"
        )
    rebuilt = rebuild(path)
    config = Config(hidden=tuple(content["config"]["hidden"]))
    params = jax.tree.map(lambda leaf: leaf[0], rebuilt.params)
    _, apply = network(config, rebuilt.data)
    classify = lambda shown: apply(params, 2 * shown - 1)
    if of != data.name:
        classify = stacked(classify, data.event_shape[-1])
    return Judge(f"classifier {content['id'][:6]} of {of}", classify)


def stacked(classify: Callable, num_channels: int) -> Callable:
    """A classifier of one channel as one of all: a class for each tuple of digits, the first counting most."""
    import jax

    from genjax.nn import Classified

    def of_channels(shown):
        channels = shown.reshape(-1, num_channels).T
        features, logits = jax.vmap(classify)(channels)
        log_probs = jax.nn.log_softmax(logits)
        joint = log_probs[0]
        for other in log_probs[1:]:
            joint = (joint[:, None] + other[None]).ravel()
        return Classified(features.ravel(), joint)

    return of_channels
