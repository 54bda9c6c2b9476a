"""Train an energy-based model with persistent chains, and bracket its partition function.

    python experiments/energy.py ring               # any toy density: a network's energy, log Z by quadrature
    python experiments/energy.py digits             # a restricted Boltzmann machine, log Z by enumeration
    python experiments/energy.py binarized-mnist    # the same on MNIST; needs GENJAX_DATA or --download
    python experiments/energy.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Writes a run folder: config.json, metrics.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from genjax.recipes.energy import PRESETS, Config
from genjax.training.options import run_script


def main(config: Config) -> None:
    import jax

    from genjax.data import load
    from genjax.recipes.energy import model
    from genjax.report import beside_the_truth, curves, measure, publish, samples_beside_data, summarize
    from genjax.training import open_run

    data = load(config.data, download=config.download)
    energy_model = model(config, data.spec)
    run = open_run("energy", config, data)
    data = data.with_test(config.test_examples)
    trained = run.train(energy_model, data)
    key_measure, key_bracket = jax.random.split(run.keys.measure)
    measured = measure(energy_model, trained, data, key_measure, num_samples=2000)

    rows, cost, warnings = partition(config, energy_model, trained, data, key_bracket)
    pictures = [samples_beside_data(run.keys.draw, energy_model, measured, data)]
    if data.density is not None:
        truth = beside_the_truth(energy_model, trained, measured, data, limit=config.bound)
        rows = truth.rows | rows
        pictures.insert(0, truth.picture)
    pictures.append(curves(run, ylabel="negative log-likelihood / nats", together=False))
    summary = summarize(
        run,
        energy_model,
        trained,
        measured,
        objective=(
            "Contrastive divergence with persistent chains: an estimate of the gradient of the negative "
            "log-likelihood, whose value bounds nothing."
        ),
        rows={"Likelihood": rows, "Cost": cost},
        warnings=warnings,
    )
    publish(run.folder, summary, pictures)


def partition(config, energy_model, trained, data, key):
    """Log Z as it is computed, and the two ends between which annealed chains bracket it without knowing it."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from genjax.recipes.energy import parts
    from genjax.report import quantity
    from genjax.training import timed

    energy = parts(config, data.spec)
    x_train = jax.vmap(lambda v: energy_model.view.observe(None, v))(jnp.asarray(data.train))
    print(
        f"bracketing log Z: {config.annealing_chains} chains, {config.temperatures} temperatures", flush=True
    )

    def both(params, keys, x_train):
        one = lambda pair: (energy.log_z(pair[0]), energy.bracket(*pair, x_train))
        return jax.lax.map(one, (params, keys))  # one seed after the other: either fills the machine

    keys = jax.random.split(key, config.seeds)
    (log_z, ends), seconds = timed(both, trained.params, keys, x_train)
    exact = float(np.mean(log_z.log_z))
    of = {"of": energy_model.view.of}
    about = of | {"baseline": exact, "baseline_of": "log Z, computed"}
    rows = {
        "log Z": quantity(log_z.log_z, "nats", note="computed, by quadrature or enumeration", **of),
        "log Z, error of quadrature": quantity(log_z.error, "nats", **of),
        "log Z, annealed from below": quantity(
            ends.lower.log_z, "nats", over_test=ends.lower.error, note="± over chains", **about
        ),
        "log Z, annealed from above": quantity(
            ends.upper.log_z, "nats", over_test=ends.upper.error, note="± over chains", **about
        ),
        "log Z, gap of the bracket": quantity(ends.gap, "nats", **of),
        "log Z, effective share of the annealed chains": quantity(
            ends.effective_share(config.annealing_chains),
            note="of the worse run; below one half its errors are too small",
            **of,
        ),
    }
    cost = {"time to compute and to bracket log Z": quantity(seconds / config.seeds, "s", note="per seed")}
    return rows, cost, bracket_warnings(log_z.log_z, ends, config.annealing_chains)


def bracket_warnings(log_z, ends, num_chains):
    """What is wrong with the brackets of all seeds: by the known log Z, and by what they say of themselves."""
    low, high = ends.lower.log_z - 3 * ends.lower.error, ends.upper.log_z + 3 * ends.upper.error
    inside, hold = (low <= log_z) & (log_z <= high), ends.errors_hold(num_chains)
    warnings = []
    if not inside.all():
        warnings.append(
            "The annealed bracket misses log Z by more than three standard errors: its chains do not mix."
        )
    if not hold.all():
        warnings.append(
            f"The annealed chains of {(~hold).sum()} of {hold.size} seeds do not mix: the ends differ by more than "
            "three standard errors, or fewer than half of the chains carry the weight. The ends are bounds on the "
            "average, their ± is too small. More --temperatures or --sweeps help."
        )
    return warnings


if __name__ == "__main__":
    run_script(main, PRESETS)
