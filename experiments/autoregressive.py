"""Train an autoregressive model: exact likelihood, samples and completions, and classes by Bayes' rule.

    python experiments/autoregressive.py digits                   # a class-conditional transformer
    python experiments/autoregressive.py binarized-mnist          # MADE; needs GENJAX_DATA or --download
    python experiments/autoregressive.py binarized-mnist-random   # in one random order
    python experiments/autoregressive.py mnist                    # MADE on MNIST binarised anew at every step
    python experiments/autoregressive.py digits --steps 20 --seeds 1      # a tiny run, in seconds

Writes a run folder: config.json.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from genjax.training.options import Options, run_script


@dataclass(frozen=True)
class Config(Options):
    """Train an autoregressive model."""

    data: Literal["digits", "mnist", "binarized-mnist"] = "digits"
    """What to learn."""
    model: Literal["transformer", "made"] = "transformer"
    """A class-conditional causal transformer, or a masked perceptron."""
    out: Path = Path("runs/autoregressive-digits")
    steps: int = 1000
    batch_size: int = 64
    weight_decay: float = 0.1
    clip: float = 1.0
    width: int = 64
    """Of the transformer's residual stream."""
    layers: int = 2
    """Blocks of the transformer."""
    heads: int = 4
    """Attention heads of the transformer."""
    hidden: tuple[int, ...] = (500,)
    """Widths of MADE's hidden layers."""
    order: Literal["natural", "random"] = "natural"
    """The order of MADE's inputs; random: one order, fixed by the seed."""
    direct: bool = False
    """Masked connections of MADE from inputs to outputs."""
    temperature: float = 1.0
    """Of the samples; 1 is the model."""
    num_samples: int = 100
    """Samples drawn for every seed."""


# A schedule that ends with the learning rate at zero, so that the last validation is the best one.
MADE = Config(
    model="made",
    steps=15_000,
    batch_size=100,
    learning_rate=3e-3,
    weight_decay=0.1,
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


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import Kind, autoregressive, nn
    from genjax.data import binarize
    from genjax.training import (
        compare_samples,
        evenly_spaced,
        likelihood_entry,
        map_seeds,
        open_run,
        over_seeds,
        timed,
        train_seeds,
    )
    from genjax.training.task import TASKS

    task = TASKS[config.data](config.download)
    dataset, dims = task.dataset, task.dataset.num_dims
    num_levels = 17 if config.data == "digits" else 2
    conditional = config.model == "transformer"
    run = open_run(config, dataset, "width", "layers", "heads", "temperature", "num_samples")
    shuffled = np.random.default_rng(config.seed).permutation(dims).tolist()
    order = shuffled if config.order == "random" else list(range(dims))

    def transformer(rngs):
        return nn.CausalTransformer(
            dims,
            num_levels,
            width=config.width,
            num_layers=config.layers,
            num_heads=config.heads,
            num_classes=10,
            rngs=rngs,
        )

    def made(rngs):
        return nn.MADE(dims, config.hidden, num_levels, order=order, direct=config.direct, rngs=rngs)

    init, apply = nn.functional(transformer if conditional else made)
    _, cached_step = nn.functional(transformer, method=nn.CausalTransformer.step)
    _, empty_cache = nn.functional(transformer, method=nn.CausalTransformer.empty_cache)

    def observe(key, stored):
        """One example as a flat sequence of levels."""
        levels = binarize(key, stored) if config.data == "mnist" else stored
        return jnp.ravel(levels).astype(int)

    def logits_fn(params, label):
        return (lambda x: apply(params, x, label)) if conditional else partial(apply, params)

    def loss(params, key, example):
        stored, label = example
        return autoregressive.negative_log_likelihood(logits_fn(params, label), observe(key, stored))

    def examples(part):
        labels = getattr(dataset, f"{part}_labels") if conditional else None
        images = getattr(dataset, part)
        return images, np.zeros(len(images), np.int32) if labels is None else labels

    trained = train_seeds(run, config, init, loss, examples("train"), examples("validation"))
    params = trained.params

    # Everything below is measured on the test set, with the parameters that validation chose.
    test, test_labels = map(jnp.asarray, examples("test"))
    key_test = jax.random.split(jax.random.key(config.seed + 2000), config.seeds)
    log_prior = jnp.full(10, -np.log(10.0))

    def measure(params, key, example):
        """Log p(x), and where the model knows classes log p(x, y) and log p(y|x) of the true one, and the guess."""
        stored, label = example
        x = observe(key, stored)
        log_likelihood = lambda x, y: autoregressive.log_prob(logits_fn(params, y), x)
        if not conditional:
            return {"log_prob": log_likelihood(x, label)}
        terms = autoregressive.bayes_rule(log_likelihood, x, log_prior)
        return {
            "log_prob": terms.marginal,
            "joint": terms.joint[label],
            "posterior": terms.posterior[label],
            "correct": jnp.argmax(terms.posterior) == label,
        }

    print(f"measuring {len(test)} test examples", flush=True)
    measured = map_seeds(measure, params, key_test, (test, test_labels))

    def draw_one(params, key, label, prefix=None):
        options = {"temperature": config.temperature, "prefix": prefix}
        if conditional:
            step = lambda *state: cached_step(params, *state, label)
            return autoregressive.cached_sample(key, step, empty_cache(params), dims, **options)
        in_order = autoregressive.reordered(logits_fn(params, label), order)
        return autoregressive.sample(key, in_order, dims, **options)[np.argsort(order)]

    classes = jnp.arange(config.num_samples) % 10

    @jax.jit
    @jax.vmap
    def draw(params, key):
        return jax.vmap(partial(draw_one, params))(jax.random.split(key, config.num_samples), classes)

    samples, seconds = timed(draw, params, key_test)
    scaled = lambda levels: levels.astype(jnp.float32) / (num_levels - 1)
    observed = jax.vmap(observe)(jax.random.split(jax.random.key(config.seed + 3000), len(test)), test)
    real = scaled(evenly_spaced(observed, 2000))

    entry = partial(likelihood_entry, num_dims=dims, num_levels=1, kind=Kind.EXACT)
    summary = {
        "schema_version": 1,
        "model": "causal transformer" if conditional else "MADE",
        "data": dataset.name,
        "seeds": config.seeds,
        "objective": {"name": "negative log-likelihood", "kind": "the exact value"},
        "likelihood": {"log p(x)": entry(measured["log_prob"])},
        **compare_samples(scaled(samples), real),
        "selected_step": trained.selected_step,
        "cost": trained.cost(
            calls=dims, sampling_seconds=seconds, num_samples=config.seeds * config.num_samples
        ),
    }
    if conditional:
        summary["likelihood"]["log p(x, y)"] = entry(measured["joint"])
        summary["classification"] = {
            "accuracy": over_seeds(measured["correct"].mean(1)),
            "log_posterior_of_the_label": over_seeds(measured["posterior"].mean(1)),
            "accuracy_of_logistic_regression": discriminative_accuracy(dataset),
        }
    run.write_json("summary.json", summary)

    # Completions of test images by the first seed, from their upper half.
    first = jax.tree.map(lambda leaf: leaf[0], params)
    completions = None
    if config.order == "natural":
        keys = jax.random.split(jax.random.key(config.seed + 4000), 40)
        chosen = evenly_spaced(jnp.arange(len(test)), 10)
        complete = lambda key, i: draw_one(first, key, test_labels[i], observed[i, : dims // 2])
        completions = jax.jit(jax.vmap(complete))(keys, jnp.repeat(chosen, 4)).reshape(10, 4, dims)
        completions = scaled(jnp.concatenate([observed[chosen, None], completions], axis=1))
    report(run, summary, draw_pictures(run, task, scaled(samples[0]), completions))


def discriminative_accuracy(dataset) -> float:
    """What a classifier that models p(y|x) alone makes of the same split."""
    from sklearn.linear_model import LogisticRegression

    flat = lambda images: images.reshape(len(images), -1) / dataset.num_levels
    classifier = LogisticRegression(max_iter=1000).fit(flat(dataset.train), dataset.train_labels)
    return float(classifier.score(flat(dataset.test), dataset.test_labels))


def draw_pictures(run, task, samples, completions) -> dict[str, str]:
    """Draw the first seed; returns each picture's caption."""
    import jax.numpy as jnp

    from genjax.training import figures
    from genjax.training.report import draw_curves

    images = lambda x: jnp.reshape(x, (-1, *task.dataset.event_shape))
    grid = partial(figures.image_grid, columns=10, low=0.0, high=1.0)
    grid(run.path / "samples.png", images(samples), title="Samples")
    captions = draw_curves(run, ylabel="negative log-likelihood / nats")
    captions["samples.png"] = "Samples of the model; a conditional one draws one class a column."
    if completions is not None:
        title = "Test data above; below, their upper halves completed four times"
        grid(run.path / "completions.png", images(jnp.swapaxes(completions, 0, 1)), title=title)
        captions["completions.png"] = "Completions of the upper halves of test images."
    return captions


def report(run, summary, pictures) -> None:
    """Write the page and print its first lines."""
    from genjax.training import describe
    from genjax.training.report import Entry, cost_entry, likelihood_rows, sample_entries, write_report

    classes = summary.get("classification")
    controls = Entry("Completions of a given prefix stand among the pictures. The model is unconditional.")
    if classes:
        accuracy = describe(classes["accuracy"])
        discriminative = classes["accuracy_of_logistic_regression"]
        print(
            f"classification of test data by Bayes' rule: {accuracy} correct; "
            f"by logistic regression: {discriminative:.4f}"
        )
        controls = Entry(
            "The model is conditional on the class, so that Bayes' rule classifies; completions of a given prefix "
            "stand among the pictures.",
            (
                ("correct by Bayes' rule", accuracy),
                ("by logistic regression, which models p(y|x) alone", f"{discriminative:.4f}"),
                ("log p(y|x) of the label", describe(classes["log_posterior_of_the_label"], " nats")),
            ),
        )
    entries = {
        "Objective": Entry(
            "The exact negative log-likelihood, by the chain rule. Parameters were selected on validation data; "
            f"numbers are of test data, mean ± standard error over {summary['seeds']} seeds."
        ),
        "Likelihood": Entry("Negative log-likelihood of test data, exact.", likelihood_rows(summary)),
        **sample_entries(summary),
        "Controls": controls,
        "Cost": cost_entry(summary),
        "Timesteps": Entry(
            "Not applicable: this model has no timesteps; it samples one position after another."
        ),
    }
    title = f"{summary['model']} on {summary['data']}"
    write_report(run, title=title, entries=entries, figures=pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)
