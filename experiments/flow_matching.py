"""Train a velocity from a source to data, and measure it: likelihood, straightness, quality in few steps.

    python experiments/flow_matching.py ring                           # from a Gaussian
    python experiments/flow_matching.py ring --coupling optimal --out runs/optimal     # minibatch optimal transport
    python experiments/flow_matching.py ring --reflow runs/flow-matching-ring --out runs/reflow   # straighter paths
    python experiments/flow_matching.py ring --objective average --out runs/average    # one or two steps are enough
    python experiments/flow_matching.py moons --source ring --out runs/ring-to-moons   # from points to points
    python experiments/flow_matching.py digits --classifier runs/classifier-digits     # by label
    python experiments/flow_matching.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Preset mnist needs GENJAX_DATA or --download. Writes a run folder: config.json, metrics.jsonl, checkpoints/,
summary.json, pictures and report.html.
"""

from genjax.recipes.flow_matching import PRESETS, Config
from genjax.training.options import run_script

STEPS = (1, 2, 5, 10, 100)
NUM_PATHS, PATH_STEPS = 200, 100


def main(config: Config) -> None:
    import jax

    from genjax import report
    from genjax.data import load
    from genjax.recipes import classifier
    from genjax.recipes.diffusion import sampler_of
    from genjax.recipes.flow_matching import model, paths, teacher
    from genjax.training import open_run

    data = load(config.data, download=config.download)
    flow_model = model(config, data.spec, teacher=teacher(config, data.spec) if config.reflow else None)
    draw = flow_model.sample
    assert draw is not None
    judge = None if config.classifier is None else classifier.judge(config.classifier, data)
    run = open_run("flow_matching", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(flow_model, data)
    key_measure, key_judge, key_sweep, key_path, key_calls = jax.random.split(run.keys.measure, 5)
    num_samples = 2000 if data.num_levels is None else 1000
    measured = report.measure(flow_model, trained, data, key_measure, num_samples=num_samples)

    rows, warnings = {}, []
    ways = paths(config, data.spec)
    rows["Timesteps"], picture = straightness(key_path, ways, trained, data)
    pictures = [report.samples_beside_data(run.keys.draw, flow_model, measured, data), picture]
    if data.density is not None and flow_model.log_probs:
        rows["Likelihood"] = report.entropy_gap(measured, data)
    if judge is not None:
        more, warnings = report.judged(key_judge, judge, flow_model, measured)
        rows |= more
        if config.conditional:
            rows["Controls"], sheet = report.guidance_sweep(key_sweep, flow_model, trained.first, judge, data)
            pictures.insert(1, sheet)
    if data.num_levels is None and not config.conditional:
        rule = "average velocity" if config.objective == "average" else config.sampler
        sample = lambda params, key, n: draw(params, key, num_steps=n)
        num_calls = lambda name, n: n if config.objective == "average" else sampler_of(name).num_calls(n)
        rows["Cost"], calls = report.quality_by_calls(
            key_calls, {rule: sample}, num_calls, trained.params, flow_model.view, measured, steps=STEPS
        )
        pictures.append(calls)
    pictures.append(report.curves(run, ylabel="squared error of the velocity"))
    summary = report.summarize(
        run,
        flow_model,
        trained,
        measured,
        objective=f"Flow matching: the squared error of the {config.objective} along straight lines between pairs.",
        controls=(
            f"The label, and the scale of guidance ({config.guidance:g} here)."
            if config.conditional
            else "None: the model is unconditional."
        ),
        timesteps="The energy of the learned paths, and how far they are from straight lines.",
        rows=rows,
        warnings=warnings,
    )
    report.publish(run.folder, summary, pictures)


def straightness(key, ways, trained, data):
    """Energy and straightness of the paths of every seed, and states along those of the first."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax import report
    from genjax.diffusion import rectified
    from genjax.flow_matching import path_energy

    classes = ways.made.num_classes
    label = jnp.arange(NUM_PATHS) % max(classes, 1)
    noise = jax.vmap(ways.start)(jax.random.split(key, NUM_PATHS))

    def energies(params, noise, label):
        velocity = ways.velocity(params, label if classes else None)
        return path_energy(velocity, noise, num_steps=PATH_STEPS)

    energy, bend = jax.jit(jax.vmap(jax.vmap(energies, (None, 0, 0)), (0, None, None)))(
        trained.params, noise, label
    )
    of, error = f"paths to {data.name}", lambda values: np.asarray(values).std(1, ddof=1) / NUM_PATHS**0.5
    rows = {
        "path energy": report.quantity(
            energy.mean(1), of=of, over_test=error(energy), note="∫ ‖v‖² dt, in units of the network"
        ),
        "bend": report.quantity(
            bend.mean(1), of=of, over_test=error(bend), baseline=0.0, baseline_of="straight paths",
            note="∫ ‖v − (x₁ − x₀)‖² dt",
        ),
    }  # fmt: skip
    places = (PATH_STEPS * np.array([0, 0.25, 0.5, 0.75, 1])).astype(int)

    def walk(noise, label):
        velocity = ways.velocity(trained.first, label if classes else None)
        step = lambda x, t: (x - velocity(x, t) / PATH_STEPS,) * 2
        return jnp.concatenate([noise[None], jax.lax.scan(step, noise, rectified().times(PATH_STEPS))[1]])[
            places
        ]

    walked = jax.jit(jax.vmap(walk))(noise, label)
    titles = [f"at time {1 - place / PATH_STEPS:g}" for place in places]
    caption = "From the source to data along the learned velocity; first seed."
    shown = walked[:50] if data.num_levels else walked
    return rows, report.states("path", caption, titles, shown, ways.made.view, data)


if __name__ == "__main__":
    run_script(main, PRESETS)
