"""Train a diffusion model or a flow-matching one, and measure it: quality, diversity, likelihood, guidance.

    python experiments/diffusion.py ring             # any toy density
    python experiments/diffusion.py ring --schedule rectified --prediction velocity       # flow matching
    python experiments/diffusion.py digits --classifier runs/classifier-digits    # by label; a guidance sweep
    python experiments/diffusion.py digits --sampler ancestral --sampling-steps 500
    python experiments/diffusion.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Preset mnist needs GENJAX_DATA or --download. Writes a run folder: config.json, metrics.jsonl, checkpoints/,
summary.json, pictures and report.html.
"""

from genjax.recipes.diffusion import PRESETS, Config
from genjax.training.options import run_script

BANDS, PER_BAND = 8, 500
SCALES = (0.5, 1.0, 2.0, 8.0)


def main(config: Config) -> None:
    import jax

    from genjax.data import load
    from genjax.recipes import classifier
    from genjax.recipes.diffusion import model
    from genjax.report import curves, judged, measure, publish, samples_beside_data, summarize
    from genjax.training import open_run

    data = load(config.data, download=config.download)
    diffusion_model = model(config, data.spec)
    judge = None if config.classifier is None else classifier.judge(config.classifier, data)
    run = open_run("diffusion", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(diffusion_model, data)
    key_measure, key_judge, key_bands, key_sweep, key_path = jax.random.split(run.keys.measure, 5)
    num_samples = 2000 if data.num_levels is None else 1000
    measured = measure(diffusion_model, trained, data, key_measure, num_samples=num_samples)

    rows, warnings = {}, []
    bands, picture = loss_by_band(config, diffusion_model, trained, data, key_bands)
    rows["Timesteps"] = bands
    pictures = [samples_beside_data(run.keys.draw, diffusion_model, measured, data)]
    pictures += [picture, path(config, trained, data, key_path)]
    if data.density is not None and diffusion_model.log_probs:
        rows["Likelihood"] = beside_the_entropy(measured, data)
    if judge is not None:
        more, warnings = judged(key_judge, judge, diffusion_model, measured)
        rows |= more
        if config.conditional:
            rows["Controls"], sheet = guidance_sweep(config, trained, data, judge, key_sweep)
            pictures.insert(1, sheet)
    elif data.num_levels is not None:
        print("samples are compared in pixels; --classifier FOLDER adds what a classifier says of them")
    pictures.append(curves(run, ylabel=f"squared error of the {config.prediction}"))
    summary = summarize(
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
    publish(run.folder, summary, pictures)


def beside_the_entropy(measured, data):
    """How far the likelihood of test points is from their own law's, on the points whose likelihood was measured."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax.data import evenly_spaced
    from genjax.report import quantity

    nats = measured.log_probs["log p(x)"]
    chosen = jnp.asarray(evenly_spaced(data.test, nats.shape[1]))
    gaps = np.asarray(jax.jit(jax.vmap(data.density.log_prob))(chosen)[None] - nats)
    error = gaps.std(axis=1, ddof=1) / gaps.shape[1] ** 0.5
    note = "−log p(x) of the model less that of the true density, on the same points"
    about = {"of": f"points of {data.name}", "baseline": 0.0, "baseline_of": "the truth"}
    return {"entropy gap": quantity(gaps.mean(1), "nats", over_test=error, note=note, **about)}


def loss_by_band(config, diffusion_model, trained, data, key):
    """The loss of every seed in bands of time, and its curve."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import diffusion
    from genjax.data import evenly_spaced
    from genjax.recipes.diffusion import parts
    from genjax.report import Picture, figures, quantity
    from genjax.training import examples

    made = parts(config, data.spec)
    discrete = hasattr(made.schedule, "num_steps")
    chosen = jax.tree.map(
        lambda leaf: jnp.asarray(evenly_spaced(leaf, PER_BAND)), examples(diffusion_model, data, "validation")
    )

    def one(params, key, stored, band):
        example, label = stored if made.num_classes else (stored, None)
        key_data, key_time, key_noise = jax.random.split(key, 3)
        t = (band + jax.random.uniform(key_time)) / BANDS
        t = jnp.clip(jnp.ceil(t * 1000), 1, 1000).astype(int) if discrete else t
        return diffusion.denoising_loss(
            key_noise,
            made.network(params, label),
            made.schedule,
            made.view.observe(key_data, example),
            prediction=made.prediction,
            time_sampler=lambda key: t,
        )

    n = len(jax.tree.leaves(chosen)[0])
    keys = jax.random.split(key, (BANDS, n))
    over = jax.vmap(jax.vmap(jax.vmap(one, (None, 0, 0, None)), (None, 0, None, 0)), (0, None, None, None))
    losses = jax.jit(over)(trained.params, keys, chosen, jnp.arange(BANDS))
    means = np.asarray(losses.mean(axis=2))
    names = [f"loss, time {i / BANDS:.3g} to {(i + 1) / BANDS:.3g}" for i in range(BANDS)]
    rows = {
        name: quantity(means[:, i], of=f"{config.prediction} of {data.name}, {config.schedule}")
        for i, name in enumerate(names)
    }
    middles = (np.arange(BANDS) + 0.5) / BANDS
    curves = {f"seed {seed}": row for seed, row in enumerate(means)}
    panel = figures.lines(
        "loss by time",
        middles,
        curves,
        xlabel="time, data at 0",
        ylabel=f"squared error of the {config.prediction}",
    )
    return rows, Picture("timesteps", "Validation loss in bands of time.", (panel,))


def path(config, trained, data, key):
    """States of the first seed on the way from noise to data, and the forward process of test data."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import diffusion
    from genjax.recipes.diffusion import guided, parts
    from genjax.report import Picture, image_panel
    from genjax.report.pictures import points_panel

    made, images = parts(config, data.spec), data.num_levels is not None
    num = 50 if images else 500
    key_start, key_steps = jax.random.split(key)

    def states(params, key, key_steps, label):
        x_T = diffusion.prior_sample(key, made.schedule, made.view.shape)
        options = {"num_steps": config.sampling_steps, "sampler": made.sampler, "prediction": made.prediction}
        predict = guided(made, params, label, config.guidance)
        return diffusion.sample(key_steps, predict, made.schedule, x_T, return_trajectory=True, **options)

    labels = jnp.arange(num) % max(made.num_classes, 1)
    run = jax.jit(jax.vmap(states, (None, 0, 0, 0)))
    paths = run(trained.first, jax.random.split(key_start, num), jax.random.split(key_steps, num), labels)
    # Most of the structure appears late.
    places = (config.sampling_steps * np.array([0, 0.7, 0.85, 0.95, 1])).round().astype(int)
    limit = 1.2 * float(np.abs(np.asarray(data.test)).max())
    panels = []
    for place in places:
        shown = np.asarray(jax.vmap(made.view.show)(paths[:, place]))
        title = f"after {place} of {config.sampling_steps} steps"
        panels.append(
            image_panel(title, shown, data.event_shape) if images else points_panel(title, shown, limit=limit)
        )
    return Picture("path", "From noise to data: states of the first seed.", panels)


def guidance_sweep(config, trained, data, judge, key):
    """Label accuracy against diversity over scales of guidance, of the first seed."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import metrics
    from genjax.recipes.diffusion import model
    from genjax.report import Picture, figures, image_panel, quantity

    diffusion_model, num = model(config, data.spec), 500
    sample, num_classes = diffusion_model.sample, diffusion_model.num_classes
    assert sample is not None
    assert num_classes is not None
    labels, keys = jnp.arange(num) % num_classes, jax.random.split(key, num)

    @jax.jit
    def at(params, scale):
        draw = lambda key, label: sample(params, key, label, scale)
        shown = jax.vmap(diffusion_model.view.show)(jax.vmap(draw)(keys, labels))
        said = jax.vmap(judge.classify)(shown)
        right = jnp.mean(jnp.argmax(said.logits, axis=1) == labels)
        return shown, right, metrics.diversity(shown).pairwise_distance

    rows, right, spread, panels = {}, [], [], []
    for scale in SCALES:
        shown, accuracy, distance = at(trained.first, jnp.asarray(scale))
        right.append(float(accuracy))
        spread.append(float(distance))
        rows[f"label accuracy at guidance {scale:g}"] = quantity(accuracy, of=judge.name, note="first seed")
        rows[f"pairwise distance at guidance {scale:g}"] = quantity(
            distance, of=judge.name, note="first seed"
        )
        panels.append(image_panel(f"guidance {scale:g}", np.asarray(shown[:50]), data.event_shape))
    curve = {"label accuracy": right, "pairwise distance, over that at 0.5": np.array(spread) / spread[0]}
    lines = figures.lines("guidance", SCALES, curve, xlabel="scale of guidance", ylabel="share")
    caption = "Guidance trades diversity for adherence to the label; columns are classes."
    return rows, Picture("guidance", caption, [lines, *panels])


if __name__ == "__main__":
    run_script(main, PRESETS)
