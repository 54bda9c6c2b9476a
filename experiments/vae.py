"""Train a variational autoencoder, measure it and draw it.

    python experiments/vae.py digits            # half a minute on 2 cores; test bound about 87 nats
    python experiments/vae.py circle            # points in the plane
    python experiments/vae.py digits --steps 20 --evidence-samples 10     # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, summary.json, pictures and report.html.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Config:
    """Train a variational autoencoder."""

    data: Literal["digits", "circle"] = "digits"
    """What to learn."""
    out: Path = Path("runs/vae-digits")
    """Folder of the run; must be new or empty."""
    steps: int = 2000
    """Optimisation steps."""
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
    beta: float = 1.0
    """Weight of the KL."""
    num_samples: int = 1
    """Latent draws an example and step."""
    latents: int = 16
    """Dimensions of the latent."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    validate_every: int = 100
    """Steps between validations; the best parameters are reported."""
    evidence_samples: int = 5000
    """Importance samples of the test likelihood."""


PRESETS = {
    "digits": ("Digits of 8×8 pixels, 17 grey levels", Config()),
    "circle": (
        "A noisy circle in the plane",
        Config(data="circle", out=Path("runs/vae-circle"), latents=2, weight_decay=0.0, steps=4000),
    ),
}


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from genjax import Kind, expectation, metrics, nn, vae
    from genjax.training import (
        describe,
        figures,
        likelihood_entry,
        make_step,
        map_examples,
        over_seeds,
        start,
        train,
    )
    from genjax.training.report import write_report
    from genjax.training.run import RunFolder
    from genjax.training.task import circle_task, digits_task

    run = RunFolder.create(config.out, config)
    task = {"digits": digits_task, "circle": circle_task}[config.data]()
    dataset, dims = task.dataset, task.dataset.num_dims

    # The model: two networks, and what their outputs mean.
    encoder_init, encoder = nn.functional(
        lambda rngs: nn.GaussianMLP(dims, config.hidden, config.latents, rngs=rngs)
    )
    decoder_init, decoder = nn.functional(
        lambda rngs: nn.MLP(config.latents, config.hidden[::-1], dims * task.head.num_outputs, rngs=rngs)
    )

    def model(params):
        encode = partial(encoder, params["encoder"])
        log_likelihood = lambda x, z: task.head.log_prob(x, decoder(params["decoder"], z))
        return encode, log_likelihood

    # The loss of one example; jax.vmap does the rest.
    def loss(params, key, stored):
        key_data, key_noise = jax.random.split(key)
        x = task.observe(key_data, stored)
        options = {"beta": config.beta, "num_samples": config.num_samples}
        return vae.negative_elbo(key_noise, *model(params), x, **options)

    def init(key):
        key_encoder, key_decoder = jax.random.split(key)
        return {"encoder": encoder_init(key_encoder), "decoder": decoder_init(key_decoder)}

    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    optimizer = optax.adamw(schedule, weight_decay=config.weight_decay)
    init_state, step = make_step(
        lambda params, key, batch: expectation(partial(loss, params))(key, batch), optimizer
    )
    validation = jnp.asarray(dataset.validation)
    key_validation = jax.random.key(config.seed + 1000)
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    key_init, key_train, key_test = jax.vmap(partial(jax.random.split, num=3), out_axes=1)(keys)

    def progressed(progress, record):
        run.log(record)
        if "validation_best" in record:
            loss_now, best = np.mean(record["loss"]), np.mean(record["validation_best"])
            print(f"step {record['step']:6d}  loss {loss_now:8.3f}  best validation {best:8.3f}", flush=True)
        return False

    started = time.perf_counter()
    progress = train(
        key_train,
        step,
        start(jax.jit(jax.vmap(lambda key: init_state(init(key))))(key_init)),
        jnp.asarray(dataset.train),
        lambda params: expectation(partial(loss, params))(key_validation, validation),
        num_steps=config.steps,
        batch_size=config.batch_size,
        steps_per_call=config.validate_every,
        validate_every=config.validate_every,
        after_chunk=progressed,
    )
    seconds = time.perf_counter() - started
    params = progress.selected.params

    # Everything below is measured on the test set, with the parameters that validation chose.
    test = jnp.asarray(dataset.test)

    def measure(params, key, stored):
        """One test example: the two terms of the bound, the evidence estimate and the code."""
        key_data, key_noise, key_evidence = jax.random.split(key, 3)
        x = task.observe(key_data, stored)
        encode, log_likelihood = model(params)
        mean, log_var = encode(x)
        noise = jax.random.normal(key_noise, mean.shape)
        terms = vae.elbo_terms(encode, log_likelihood, x, noise)
        evidence = vae.log_evidence(
            key_evidence, encode, log_likelihood, x, num_samples=config.evidence_samples
        )
        return terms, evidence, mean, log_var

    print(
        f"measuring {len(test)} test examples with {config.evidence_samples} importance samples each",
        flush=True,
    )
    terms, evidence, means, log_vars = jax.jit(
        jax.vmap(lambda params, key: map_examples(partial(measure, params), key, test))
    )(params, key_test)

    def draw(params, key):
        z = jax.random.normal(key, (len(test), config.latents))
        return jax.vmap(lambda z: task.head.mean(decoder(params["decoder"], z)))(z)

    drawn = jax.jit(jax.vmap(draw))
    samples = drawn(params, key_test)
    sampling_started = time.perf_counter()
    jax.block_until_ready(drawn(params, key_test))
    sampling = (time.perf_counter() - sampling_started) / samples[..., 0].size * 1000
    real = jax.vmap(task.observe)(jax.random.split(key_validation, len(test)), test).reshape(len(test), dims)
    judge = jax.jit(jax.vmap(lambda fake: (metrics.frechet_distance(fake, real), metrics.diversity(fake))))
    frechet, spread = judge(samples)
    real_spread = jax.jit(metrics.diversity)(real)

    active = jax.jit(jax.vmap(vae.active_units))(means)
    collapsed = jax.jit(jax.vmap(vae.collapsed_units))(means, log_vars)
    entry = partial(likelihood_entry, num_dims=dims, num_levels=task.num_levels)
    summary = {
        "schema_version": 1,
        "objective": {"name": "negative ELBO", "kind": "an upper bound on the negative log-likelihood"},
        "data": dataset.name,
        "seeds": config.seeds,
        "likelihood": {
            "elbo": entry(terms.elbo, kind=Kind.LOWER_BOUND),
            f"importance weighted, {config.evidence_samples} samples": entry(evidence, kind=Kind.ESTIMATE),
        },
        "rate_nats": over_seeds(terms.rate.mean(1)),
        "distortion_nats": over_seeds(terms.distortion.mean(1)),
        "active_units": over_seeds(active.sum(1)),
        "collapsed_units": over_seeds(collapsed.sum(1)),
        "quality": {"frechet_distance_pixels": over_seeds(frechet)},
        "diversity": {
            "pairwise_distance": over_seeds(spread.pairwise_distance),
            "pairwise_distance_of_test_data": float(real_spread.pairwise_distance),
        },
        "selected_step": progress.selected.step.tolist(),
        "cost": {
            "training_seconds": seconds,
            "steps_per_second": config.steps / seconds,
            "network_calls_per_sample": 1,
            "seconds_per_1000_samples": sampling,
        },
    }
    run.write_json("summary.json", summary)

    captions = {"curves.png": "Loss of the training batches and best validation cost, every seed."}
    figures.curves(
        run.path / "curves.png",
        run.read_log(),
        {"loss": "training loss", "validation_best": "best validation"},
        ylabel="negative ELBO / nats",
    )
    first = jax.tree.map(lambda leaf: leaf[0], params)
    if len(dataset.event_shape) == 2:
        images = partial(jnp.reshape, shape=(-1, *dataset.event_shape))
        originals = real[:10]
        decode = jax.jit(jax.vmap(lambda z: task.head.mean(decoder(first["decoder"], z))))
        decoded = decode(means[0, :10])
        grid = partial(figures.image_grid, columns=10, low=-1.0, high=1.0)
        grid(
            run.path / "samples.png",
            images(samples[0, :50]),
            title="Decoded means of draws from the prior (first seed)",
        )
        grid(
            run.path / "reconstructions.png",
            images(jnp.concatenate([originals, decoded])),
            title="Test digits above, their reconstructions from the posterior mean below",
        )
        captions |= {
            "samples.png": "Decoded means of 50 draws of the prior: no pixel noise is added.",
            "reconstructions.png": "Test digits and their reconstructions.",
        }
    else:
        figures.scatter(
            run.path / "samples.png", {"test data": real, "samples (means)": samples[0]}, limit=3.0
        )
        captions["samples.png"] = "Test points beside decoded means of draws from the prior."

    likelihoods = [
        (
            f"{name} ({e['kind']})",
            describe(e["nll_nats"], " nats")
            + (f" = {describe(e['bits_per_dim'])} bits/dim" if "bits_per_dim" in e else ""),
        )
        for name, e in summary["likelihood"].items()
    ]
    write_report(
        run,
        title=f"Variational autoencoder on {dataset.name}",
        figures=captions,
        sections=[
            {
                "heading": "Objective",
                "text": "The negative ELBO, an upper bound on the negative log-likelihood. "
                f"Parameters were selected on validation data; every number below is of {len(test)} test examples, "
                f"mean ± standard error over {config.seeds} seeds.",
                "rows": [],
            },
            {
                "heading": "Likelihood",
                "text": "Negative log-likelihood of test data. A bound and an estimate are not the same kind of "
                "number: the estimate approaches the true value from above as its samples grow.",
                "rows": likelihoods,
            },
            {
                "heading": "Quality",
                "text": "Squared Fréchet distance between decoded means of prior draws and test data, in pixels. "
                "Means carry no pixel noise, so it is not zero even for a perfect model.",
                "rows": [("Fréchet distance", describe(summary["quality"]["frechet_distance_pixels"]))],
            },
            {
                "heading": "Diversity and collapse",
                "text": "Mean distance between two samples beside that of two test examples, and what the latent "
                "units do: active ones follow the data, collapsed ones are the prior.",
                "rows": [
                    ("pairwise distance of samples", describe(summary["diversity"]["pairwise_distance"])),
                    ("pairwise distance of test data", f"{real_spread.pairwise_distance:.4g}"),
                    ("active units", f"{describe(summary['active_units'])} of {config.latents}"),
                    ("collapsed units", f"{describe(summary['collapsed_units'])} of {config.latents}"),
                    ("rate (KL)", describe(summary["rate_nats"], " nats")),
                    ("distortion", describe(summary["distortion_nats"], " nats")),
                ],
            },
            {
                "heading": "Cost",
                "text": f"All {config.seeds} seeds side by side on {jax.devices()[0].device_kind}.",
                "rows": [
                    ("training", f"{seconds:.1f} s, {config.steps / seconds:.0f} steps/s"),
                    ("sampling", f"1 network call a sample, {sampling:.2g} s for 1,000"),
                ],
            },
        ],
    )
    for name, value in likelihoods:
        print(f"test negative log-likelihood, {name}: {value}")
    print(f"report:  {run.path / 'report.html'}\nsummary: {run.path / 'summary.json'}")


if __name__ == "__main__":
    config = tyro.extras.overridable_config_cli(PRESETS)
    from genjax.training.run import exit_on_fault  # after parsing, so that --help is instant

    with exit_on_fault():
        main(config)
