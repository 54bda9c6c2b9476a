"""Train an autoencoder and a variational one alike, and judge by one measure what their latents can generate.

    python experiments/autoencoder.py digits         # under a minute on 2 cores
    python experiments/autoencoder.py mnist          # ten minutes; needs GENJAX_DATA or --download
    python experiments/autoencoder.py circle         # points in the plane

The autoencoder reconstructs better; what its decoder makes of draws from the prior lies far from the data. Writes a
run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from genjax.training.options import Options, run_script


@dataclass(frozen=True)
class Config(Options):
    """Train an autoencoder beside a variational one."""

    data: Literal["digits", "mnist", "binarized-mnist", "circle"] = "digits"
    """What to learn."""
    out: Path = Path("runs/autoencoder-digits")
    weight_decay: float = 0.1
    latents: int = 16
    """Dimensions of the latent."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""


IMAGES = Config(
    steps=10_000, hidden=(400,), latents=32, learning_rate=2e-3, weight_decay=1e-4, validate_every=1000
)

PRESETS = {
    "digits": ("Digits of 8×8 pixels, 17 grey levels", Config()),
    "mnist": (
        "MNIST, binarised anew at every step",
        replace(IMAGES, data="mnist", out=Path("runs/autoencoder-mnist")),
    ),
    "binarized-mnist": (
        "MNIST in its canonical static binarisation",
        replace(IMAGES, data="binarized-mnist", out=Path("runs/autoencoder-binarized-mnist")),
    ),
    "circle": (
        "A noisy circle in the plane",
        Config(data="circle", out=Path("runs/autoencoder-circle"), latents=2, weight_decay=0.0, steps=4000),
    ),
}


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax import autoencoder, metrics, nn, vae
    from genjax.training import evenly_spaced, open_run, over_seeds, timed, train_seeds
    from genjax.training.task import TASKS

    task = TASKS[config.data](config.download)
    dataset, dims = task.dataset, task.dataset.num_dims
    run = open_run(config, dataset, "latents")
    networks = nn.latent_model(dims, config.hidden, config.latents, task.head)

    def model(params):
        return partial(networks.encode, params), partial(networks.log_likelihood, params)

    # One network, two losses: the autoencoder uses the mean as its code and ignores the variance.
    def autoencoder_loss(params, key, stored):
        encode, log_likelihood = model(params)
        x = task.observe(key, stored)
        return autoencoder.reconstruction_loss(lambda x: encode(x)[0], log_likelihood, x)

    def vae_loss(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        return vae.negative_elbo(key_noise, *model(params), task.observe(key_data, stored))

    keys = jax.random.split(jax.random.key(config.seed + 2000), config.seeds)
    key_codes, key_real = jax.random.split(jax.random.key(config.seed + 3000))
    observe = lambda key, stored: jax.vmap(task.observe)(jax.random.split(key, len(stored)), stored)
    x_train = observe(key_codes, jnp.asarray(evenly_spaced(dataset.train, 10_000)))
    x_test = observe(key_real, jnp.asarray(evenly_spaced(dataset.test, 2000)))  # precision compares all pairs
    real = x_test.reshape(len(x_test), dims)

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    def judge(fake, real):
        """The one measure for both models."""
        return metrics.frechet_distance(fake, real), metrics.precision_recall(real, fake)

    @jax.jit
    @partial(jax.vmap, in_axes=(0, 0, None, None))
    def measure(params, key, x_train, x_test):
        encode, log_likelihood = model(params)
        decode = partial(networks.decode, params)
        codes = jax.vmap(lambda x: encode(x)[0])(x_train)
        distortion = -jnp.mean(jax.vmap(lambda x: log_likelihood(x, encode(x)[0]))(x_test))
        noise = jax.random.normal(key, (len(x_test), config.latents))
        factor = jnp.linalg.cholesky(jnp.cov(codes.T))
        fitted = jax.vmap(lambda e: jnp.mean(codes, axis=0) + factor @ e)(noise)
        return distortion, {
            "decoded N(0, I)": jax.vmap(decode)(noise),
            "decoded Gaussian fitted to the codes": jax.vmap(decode)(fitted),
            "reconstructed test data": jax.vmap(lambda x: decode(encode(x)[0]))(x_test),
        }

    draw = jax.jit(
        jax.vmap(
            lambda params, key: jax.vmap(partial(networks.decode, params))(
                jax.random.normal(key, (len(real), config.latents))
            )
        )
    )

    results, samples = {}, {}
    for name, loss in (("autoencoder", autoencoder_loss), ("VAE", vae_loss)):
        print(f"training the {name}: {config.steps} steps, {config.seeds} seeds", flush=True)
        trained = train_seeds(
            run, config, networks.init, loss, dataset.train, dataset.validation, name=name.lower()
        )
        distortion, decoded = measure(trained.params, keys, x_train, x_test)
        _, seconds = timed(draw, trained.params, keys)
        judged = {which: judge(images, real) for which, images in decoded.items()}
        results[name] = {
            "distortion_nats": over_seeds(distortion),
            "decoded": {
                which: {
                    "frechet_distance_pixels": over_seeds(frechet),
                    "precision": over_seeds(support.precision),
                    "recall": over_seeds(support.recall),
                }
                for which, (frechet, support) in judged.items()
            },
            "selected_step": trained.selected_step,
            "cost": trained.cost(calls=1, sampling_seconds=seconds, num_samples=config.seeds * len(real)),
        }
        samples[name] = decoded["decoded N(0, I)"][0]
    summary = {
        "schema_version": 1,
        "model": "autoencoder beside a variational one",
        "data": dataset.name,
        "seeds": config.seeds,
        "num_test": len(real),
        "objective": {
            "autoencoder": "reconstruction alone: no bound on a likelihood",
            "VAE": "negative ELBO, an upper bound on the negative log-likelihood",
        },
        "models": results,
    }
    run.write_json("summary.json", summary)
    report(run, summary, draw_pictures(run, task, samples, real))


def draw_pictures(run, task, samples, real) -> dict[str, str]:
    """Draw the first seed; returns each picture's caption."""
    from genjax.training import figures

    if len(task.dataset.event_shape) != 2:
        figures.scatter(run.path / "samples.png", {"test data": real, **samples}, limit=3.0)
        return {"samples.png": "Test points beside what each model decodes from draws of N(0, I)."}
    captions = {}
    for name, images in samples.items():
        file = f"samples-{name.lower()}.png"
        task.draw(run.path / file, images[:30], title=f"{name}: decoded draws of N(0, I) (first seed)")
        captions[file] = f"What the {name} decodes from draws of N(0, I)."
    return captions


def report(run, summary, pictures) -> None:
    """Write the page and print its first lines."""
    from genjax.training import describe
    from genjax.training.report import Entry, cost_entry, write_report

    models = summary["models"]
    distortions = tuple((name, describe(m["distortion_nats"], " nats")) for name, m in models.items())
    in_words = lambda e: f"precision {describe(e['precision'])}, recall {describe(e['recall'])}"
    sets = [(f"{name}, {which}", e) for name, m in models.items() for which, e in m["decoded"].items()]
    costs = [(name, row) for name, m in models.items() for row in cost_entry(m).rows]
    entries = {
        "Objective": Entry(
            "The autoencoder minimises reconstruction alone: its cost is no bound on a likelihood. The VAE "
            "minimises the negative ELBO with the same networks. Parameters were selected on validation data; "
            f"numbers are of test data, mean ± standard error over {summary['seeds']} seeds.",
        ),
        "Likelihood": Entry(
            "None is reported, because an autoencoder has none. Distortion of test data at the code:",
            distortions,
        ),
        "Quality": Entry(
            "What the decoder makes of three sets of codes, against test data in pixels: squared Fréchet distance.",
            tuple((which, describe(e["frechet_distance_pixels"])) for which, e in sets),
        ),
        "Diversity and mode collapse": Entry(
            "Precision is the share of decoded codes within the support of the data, recall the reverse.",
            tuple((which, in_words(e)) for which, e in sets),
        ),
        "Controls": Entry("None: both models are unconditional."),
        "Cost": Entry(
            "Training time is of all seeds side by side.",
            tuple((f"{name}, {which}", value) for name, (which, value) in costs),
        ),
        "Timesteps": Entry("Not applicable: these models have no timesteps, and sample in one step."),
    }
    for name, distortion in distortions:
        print(f"{name}: distortion {distortion}; beside test data")
        for which, e in models[name]["decoded"].items():
            distance = describe(e["frechet_distance_pixels"])
            print(f"  {which}: Fréchet distance {distance}, {in_words(e)}")
    title = f"Autoencoder beside the VAE on {summary['data']}"
    write_report(run, title=title, entries=entries, figures=pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)
