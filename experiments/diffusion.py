"""Train a diffusion model and measure it: quality, diversity, likelihood, loss by time, guidance.

    python experiments/diffusion.py ring             # any toy density
    python experiments/diffusion.py digits --classifier runs/classifier-digits    # by label; a guidance sweep
    python experiments/diffusion.py digits --sampler ancestral --sampling-steps 500
    python experiments/diffusion.py ring --rules     # every rule of sampling, against network calls
    python experiments/diffusion.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Preset mnist needs GENJAX_DATA or --download. Writes a run folder: config.json, metrics.jsonl, checkpoints/,
summary.json, pictures and report.html.
"""

from genjax.recipes.diffusion import PRESETS, Config
from genjax.training.options import run_script

RULES = ("ancestral", "ddim", "heun", "dpm")
STEPS = (2, 5, 10, 25, 50)


def main(config: Config) -> None:
    import jax

    from genjax import report
    from genjax.data import load
    from genjax.recipes import classifier
    from genjax.recipes.diffusion import model, sampler_of, schedule_of
    from genjax.training import examples, open_run

    data = load(config.data, download=config.download)
    diffusion_model, schedule = model(config, data.spec), schedule_of(config)
    loss = diffusion_model.loss
    assert loss is not None
    judge = None if config.classifier is None else classifier.judge(config.classifier, data)
    run = open_run("diffusion", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(diffusion_model, data)
    key_measure, key_judge, key_bands, key_sweep, key_path, key_calls = jax.random.split(run.keys.measure, 6)
    num_samples = 2000 if data.num_levels is None else 1000
    measured = report.measure(diffusion_model, trained, data, key_measure, num_samples=num_samples)

    rows, warnings = {}, []
    bands, timesteps = report.loss_by_band(
        key_bands,
        lambda params, key, example, u: loss(params, key, example, lambda _: time_at(schedule, u)),
        trained.params,
        examples(diffusion_model, data, "validation"),
        of=f"{config.prediction} of {data.name}, {config.schedule}",
    )
    rows["Timesteps"] = bands
    pictures = [report.samples_beside_data(run.keys.draw, diffusion_model, measured, data), timesteps]
    pictures += trajectories(key_path, config, diffusion_model, trained, data)
    if data.density is not None and diffusion_model.log_probs:
        rows["Likelihood"] = report.entropy_gap(measured, data)
    if judge is not None:
        more, warnings = report.judged(key_judge, judge, diffusion_model, measured)
        rows |= more
        if config.conditional:
            rows["Controls"], sheet = report.guidance_sweep(
                key_sweep, diffusion_model, trained.first, judge, data
            )
            pictures.insert(1, sheet)
    elif data.num_levels is not None:
        print("samples are compared in pixels; --classifier FOLDER adds what a classifier says of them")
    if config.rules:
        print("drawing samples by every rule", flush=True)
        rows["Cost"], calls = report.quality_by_calls(
            key_calls,
            {rule: by_rule(diffusion_model, rule, data) for rule in RULES},
            lambda rule, n: sampler_of(rule).num_calls(n),
            trained.params,
            diffusion_model.view,
            measured,
            steps=STEPS,
        )
        pictures.append(calls)
    pictures.append(report.curves(run, ylabel=f"squared error of the {config.prediction}"))
    summary = report.summarize(
        run,
        diffusion_model,
        trained,
        measured,
        objective=f"Denoising: the squared error of the predicted {config.prediction} at a random noise level.",
        controls=(
            f"The label, and the scale of guidance ({config.guidance:g} here)."
            if config.conditional
            else "None: the model is unconditional."
        ),
        timesteps="The validation loss by band of time, the same number of draws in each.",
        rows=rows,
        warnings=warnings,
    )
    report.publish(run.folder, summary, pictures)


def by_rule(diffusion_model, rule, data):
    """`sample(params, key, num_steps)` by a rule of sampling; a label is drawn where the model takes one."""
    import jax

    from genjax.recipes.diffusion import sampler_of

    def sample(params, key, num_steps):
        key_label, key = jax.random.split(key)
        labels = (
            (jax.random.randint(key_label, (), 0, diffusion_model.num_classes),)
            if diffusion_model.num_classes
            else ()
        )
        return diffusion_model.sample(params, key, *labels, num_steps=num_steps, sampler=sampler_of(rule))

    return sample


def time_at(schedule, u):
    """The time that stands at u in [0, 1) of a schedule's time."""
    import jax.numpy as jnp

    n = getattr(schedule, "num_steps", None)
    return u if n is None else jnp.clip(jnp.ceil(u * n), 1, n).astype(int)


def trajectories(key, config, diffusion_model, trained, data):
    """From data to noise, and from noise to data by the first seed."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import diffusion, report
    from genjax.data import evenly_spaced
    from genjax.recipes.diffusion import schedule_of

    num, view, schedule = (
        (50 if data.num_levels is not None else 500),
        diffusion_model.view,
        schedule_of(config),
    )
    key_noise, key_data, key_paths = jax.random.split(key, 3)
    sample = diffusion_model.sample
    assert sample is not None
    shares = (0.0, 0.1, 0.3, 0.6, 1.0)

    def noised(key, stored):
        x0, noise = view.observe(key_data, stored), jax.random.normal(key, view.shape)
        times = [time_at(schedule, jnp.asarray(share)) for share in shares[1:]]
        return jnp.stack([x0, *(diffusion.add_noise(schedule, x0, t, noise) for t in times)])

    chosen = jnp.asarray(evenly_spaced(data.test, num))
    forward = jax.jit(jax.vmap(noised))(jax.random.split(key_noise, len(chosen)), chosen)
    labels = (jnp.arange(num) % diffusion_model.num_classes,) if diffusion_model.num_classes else ()
    states = lambda key, *label: sample(trained.first, key, *label, return_trajectory=True)
    paths = jax.jit(jax.vmap(states))(jax.random.split(key_paths, num), *labels)
    # Most of the structure appears late.
    places = (config.sampling_steps * np.array([0, 0.7, 0.85, 0.95, 1])).round().astype(int)
    after = [f"after {place} of {config.sampling_steps} steps" for place in places]
    return [
        report.states(
            "forward",
            "From data to noise: test data.",
            [f"at time {s:g}" for s in shares],
            forward,
            view,
            data,
        ),
        report.states(
            "path", "From noise to data: states of the first seed.", after, paths[:, places], view, data
        ),
    ]


if __name__ == "__main__":
    run_script(main, PRESETS)
