"""Train an autoencoder and a variational one alike, and judge by one measure what their latents can generate.

    python experiments/autoencoder.py digits         # under a minute on 2 cores

The autoencoder reconstructs better; what its decoder makes of draws from the prior lies far from the data. Writes a
run folder: config.json, metrics.jsonl, summary.json, pictures and report.html.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Config:
    """Train an autoencoder beside a variational one."""

    out: Path = Path("runs/autoencoder-digits")
    """Folder of the run; must be new or empty."""
    steps: int = 2000
    """Optimisation steps of each model."""
    batch_size: int = 128
    """Examples a step."""
    seed: int = 0
    """Seed of the first run; the others follow from it."""
    seeds: int = 3
    """Runs side by side, for error bars."""
    learning_rate: float = 1e-3
    """Peak of the cosine schedule."""
    weight_decay: float = 0.1
    """Of AdamW."""
    latents: int = 16
    """Dimensions of the latent."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    validate_every: int = 100
    """Steps between validations; the best parameters are reported."""


PRESETS = {"digits": ("Digits of 8×8 pixels, 17 grey levels", Config())}


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import optax

    from genjax import autoencoder, expectation, metrics, nn, vae
    from genjax.training import describe, figures, make_step, over_seeds, start, train
    from genjax.training.report import write_report
    from genjax.training.run import RunFolder, check_positive
    from genjax.training.task import TASKS

    check_positive(config, "steps", "batch_size", "seeds", "learning_rate", "latents", "validate_every")
    task = TASKS["digits"](False)
    dataset, dims = task.dataset, task.dataset.num_dims
    run = RunFolder.create(config.out, config, data=dataset)
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

    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    key_init, key_train, key_draw = jax.vmap(partial(jax.random.split, num=3), out_axes=1)(keys)
    key_validation, key_data = jax.random.split(jax.random.key(config.seed + 1000))
    validation, test = jnp.asarray(dataset.validation), jnp.asarray(dataset.test)
    observe = lambda stored: jax.vmap(task.observe)(jax.random.split(key_data, len(stored)), stored)
    x_train, x_test = (observe(jnp.asarray(a)) for a in (dataset.train, dataset.test))
    real = x_test.reshape(len(test), dims)

    def judge(images):
        """The one measure for both models."""
        compare = lambda fake, real: (
            metrics.frechet_distance(fake, real),
            metrics.precision_recall(real, fake),
        )
        frechet, support = jax.jit(jax.vmap(compare, (0, None)))(images, real)
        return {
            "frechet_distance_pixels": over_seeds(frechet),
            "precision": over_seeds(support.precision),
            "recall": over_seeds(support.recall),
        }

    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)

    results, pictures = {}, {}
    for name, loss in (("autoencoder", autoencoder_loss), ("VAE", vae_loss)):
        init_state, step = make_step(
            lambda params, key, batch, loss=loss: expectation(partial(loss, params))(key, batch),
            optax.adamw(schedule, weight_decay=config.weight_decay),
        )

        def progressed(progress, record, name=name):
            run.log({"model": name, **record})
            return False

        print(f"training the {name}: {config.steps} steps, {config.seeds} seeds", flush=True)
        progress = train(
            key_train,
            step,
            start(
                jax.jit(jax.vmap(lambda key, init_state=init_state: init_state(networks.init(key))))(key_init)
            ),
            jnp.asarray(dataset.train),
            lambda params, loss=loss: expectation(partial(loss, params))(key_validation, validation),
            num_steps=config.steps,
            batch_size=config.batch_size,
            validate_every=config.validate_every,
            log_every=100,
            after_chunk=progressed,
        )

        @jax.jit
        @jax.vmap
        def measure(params, key):
            encode, log_likelihood = model(params)
            decode = partial(networks.decode, params)
            codes = jax.vmap(lambda x: encode(x)[0])(x_train)
            distortion = -jnp.mean(jax.vmap(lambda x: log_likelihood(x, encode(x)[0]))(x_test))
            noise = jax.random.normal(key, (len(test), config.latents))
            factor = jnp.linalg.cholesky(jnp.cov(codes.T))
            fitted = jax.vmap(lambda e: jnp.mean(codes, axis=0) + factor @ e)(noise)
            return distortion, {
                "decoded N(0, I)": jax.vmap(decode)(noise),
                "decoded Gaussian fitted to the codes": jax.vmap(decode)(fitted),
                "reconstructed test data": jax.vmap(lambda x: decode(encode(x)[0]))(x_test),
            }

        distortion, decoded = measure(progress.selected.params, key_draw)
        results[name] = {
            "distortion_nats": over_seeds(distortion),
            "decoded": {which: judge(images) for which, images in decoded.items()},
            "selected_step": progress.selected.step.tolist(),
        }
        pictures[name] = decoded["decoded N(0, I)"][0, :30]

    run.write_json(
        "summary.json",
        {"schema_version": 1, "data": dataset.name, "seeds": config.seeds, "models": results},
    )

    def in_words(entry):
        return (
            f"Fréchet distance {describe(entry['frechet_distance_pixels'])}, "
            f"precision {describe(entry['precision'])}, recall {describe(entry['recall'])}"
        )

    captions = {}
    for name, samples in pictures.items():
        file = f"samples-{name.lower()}.png"
        figures.image_grid(
            run.path / file,
            samples.reshape(-1, *dataset.event_shape),
            columns=10,
            low=task.low,
            high=task.high,
            title=f"{name}: decoded draws of N(0, I) (first seed)",
        )
        captions[file] = f"What the {name} decodes from draws of N(0, I)."
    write_report(
        run,
        title=f"Autoencoder beside the VAE on {dataset.name}",
        figures=captions,
        sections=[
            {
                "heading": "Objective",
                "text": "The autoencoder minimises reconstruction alone: its cost is no bound on a likelihood, and "
                "none is reported. The VAE minimises the negative ELBO with the same networks. "
                f"Test data, mean ± standard error over {config.seeds} seeds.",
                "rows": [],
            },
            *(
                {
                    "heading": name,
                    "text": "Distortion of test data at the code; then what the decoder makes of three sets of "
                    "codes, against test data in pixels: squared Fréchet distance, precision and recall.",
                    "rows": [
                        ("distortion", describe(result["distortion_nats"], " nats")),
                        *((which, in_words(entry)) for which, entry in result["decoded"].items()),
                    ],
                }
                for name, result in results.items()
            ),
        ],
    )
    for name, result in results.items():
        print(
            f"{name}: distortion {describe(result['distortion_nats'], ' nats')}; Fréchet distance to test data"
        )
        for which, entry in result["decoded"].items():
            print(f"  {which}: {in_words(entry)}")
    print(f"report:  {run.path / 'report.html'}\nsummary: {run.path / 'summary.json'}")


if __name__ == "__main__":
    config = tyro.extras.overridable_config_cli(PRESETS)
    from genjax.training.run import exit_on_fault  # after parsing, so that --help is instant

    with exit_on_fault():
        main(config)
