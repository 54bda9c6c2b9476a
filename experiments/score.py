"""Train a score network at many noise levels, and sample it by annealed Langevin dynamics.

    python experiments/score.py ring             # any toy density; the score field and the chains in pictures
    python experiments/score.py digits --classifier runs/classifier-digits
    python experiments/score.py ring --steps 20 --seeds 1 --levels 3      # a tiny run, in seconds

Preset mnist needs GENJAX_DATA or --download. Writes a run folder: config.json, metrics.jsonl, checkpoints/,
summary.json, pictures and report.html.
"""

from genjax.recipes.score import PRESETS, Config
from genjax.training.options import run_script

NUM_CHAINS = 40


def main(config: Config) -> None:
    import jax

    from genjax import report
    from genjax.data import load
    from genjax.recipes import classifier
    from genjax.recipes.score import model, sigmas_of
    from genjax.training import examples, open_run

    data = load(config.data, download=config.download)
    score_model, sigmas = model(config, data.spec), sigmas_of(config)
    loss = score_model.loss
    assert loss is not None
    judge = None if config.classifier is None else classifier.judge(config.classifier, data)
    run = open_run("score", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(score_model, data)
    key_measure, key_judge, key_bands, key_sweep, key_path = jax.random.split(run.keys.measure, 5)
    num_samples = 2000 if data.num_levels is None else 1000
    measured = report.measure(score_model, trained, data, key_measure, num_samples=num_samples)

    def at_level(params, key, example, u):
        """From the least noise level to the largest."""
        sigma = sigmas[-1] * (sigmas[0] / sigmas[-1]) ** u
        return loss(params, key, example, sigma[None])

    rows, warnings = {}, []
    rows["Timesteps"], timesteps = report.loss_by_band(
        key_bands,
        at_level,
        trained.params,
        examples(score_model, data, "validation"),
        of=f"score of {data.name}, {config.sigma_min:g} to {config.sigma_max:g}",
        what="log noise level",
    )
    pictures = [report.samples_beside_data(run.keys.draw, score_model, measured, data), timesteps]
    if data.num_levels is None and not config.conditional:
        pictures.append(field(key_path, config, trained, data))
    if judge is not None:
        more, warnings = report.judged(key_judge, judge, score_model, measured)
        rows |= more
        if config.conditional:
            rows["Controls"], sheet = report.guidance_sweep(
                key_sweep, score_model, trained.first, judge, data
            )
            pictures.insert(1, sheet)
    pictures.append(report.curves(run, ylabel="denoising score matching, times the squared noise level"))
    summary = report.summarize(
        run,
        score_model,
        trained,
        measured,
        objective="Denoising score matching at every noise level, each weighted by its square.",
        controls="The label." if config.conditional else "None: the model is unconditional.",
        timesteps="The validation loss by band of the log noise level, from the least to the largest.",
        rows=rows,
        warnings=warnings,
    )
    report.publish(run.folder, summary, pictures)


def field(key, config, trained, data):
    """The score at three noise levels, and chains of the first seed that end there."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax.recipes.denoiser import denoiser
    from genjax.recipes.score import score_of, sigmas_of
    from genjax.report import Picture, figures
    from genjax.score import langevin_step

    sigmas = sigmas_of(config)
    network = denoiser(config, data.spec).network(trained.first, None)
    score_fn = score_of(config, network)
    limit = 1.2 * float(np.abs(np.asarray(data.test)).max())
    axis = jnp.linspace(-limit, limit, 18) / config.scale
    grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    def level(x, at):
        key, sigma = at
        step_size = config.step_size * sigma**2

        def step(x, key):
            noise = jax.random.normal(key, x.shape)
            x = jax.vmap(lambda x, e: langevin_step(lambda y: score_fn(y, sigma), x, e, step_size=step_size))(
                x, noise
            )
            return x, x

        return jax.lax.scan(step, x, jax.random.split(key, config.sampling_steps))

    key_start, key_chain = jax.random.split(key)
    start = sigmas[0] * jax.random.normal(key_start, (NUM_CHAINS, 2))
    _, paths = jax.jit(lambda x: jax.lax.scan(level, x, (jax.random.split(key_chain, len(sigmas)), sigmas)))(
        start
    )
    panels = []
    for place in sorted({0, len(sigmas) // 2, len(sigmas) - 1}):
        arrows = jax.jit(jax.vmap(score_fn, (0, None)))(grid, sigmas[place])
        walked = jnp.swapaxes(paths[place], 0, 1)  # the chains on this level
        title = f"noise level {float(sigmas[place]) * config.scale:.2g}"
        scaled = [a * config.scale for a in (grid, arrows, walked)]
        panels.append(figures.field(title, *scaled, limit=limit))
    caption = (
        "Directions of the learned score, and Langevin chains on that level from circle to dot. First seed."
    )
    return Picture("field", caption, tuple(panels))


if __name__ == "__main__":
    run_script(main, PRESETS)
