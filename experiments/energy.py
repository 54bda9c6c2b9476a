"""Train an energy-based model with persistent chains, and bracket its partition function.

    python experiments/energy.py ring               # any toy density: a network's energy, log Z by quadrature
    python experiments/energy.py digits             # a restricted Boltzmann machine, log Z by enumeration
    python experiments/energy.py binarized-mnist    # the same on MNIST; needs GENJAX_DATA or --download
    python experiments/energy.py ring --steps 20 --seeds 1      # a tiny run, in seconds

Writes a run folder: config.json.jsonl, checkpoints/, summary.json, pictures and report.html.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from genjax.training.options import Options, run_script


@dataclass(frozen=True)
class Config(Options):
    """Train an energy-based model."""

    data: Literal[
        "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals", "digits", "binarized-mnist"
    ] = "ring"
    """What to learn: points by a network's energy, images by a restricted Boltzmann machine."""
    out: Path = Path("runs/energy-ring")
    steps: int = 3000
    batch_size: int = 512
    clip: float = 1.0
    ema: float = 0.998
    validate_every: int = 500
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the energy's hidden layers."""
    hidden_units: int = 20
    """Of the Boltzmann machine; log Z is enumerated over them."""
    chains: int = 4096
    """Persistent chains; as many move in a step as the batch has examples."""
    restart: float = 0.05
    """Share of the moving chains that start afresh."""
    chain_steps: int = 20
    """Transitions of a chain in a step."""
    step_size: float = 0.01
    """Of the Langevin transitions."""
    scale: float = 2.0
    """Standard deviation of fresh starts, and of the Gaussian that the network's energy adds to."""
    bound: float = 4.0
    """Half the side of the square that pictures cover."""
    annealing_chains: int = 500
    """Chains of each annealed run."""
    temperatures: int = 1000
    """Temperatures of an annealed run."""
    sweeps: int = 1
    """Transitions at each temperature."""


MACHINE = Config(
    steps=5000,
    batch_size=100,
    learning_rate=3e-3,
    clip=100.0,
    ema=0.0,
    validate_every=1000,
    chains=100,
    restart=0.0,
    chain_steps=1,
)


def toy(name, description, **options):
    return description, replace(Config(), data=name, out=Path(f"runs/energy-{name}"), **options)


PRESETS = {
    "checkerboard": toy("checkerboard", "The dark squares of a board"),
    "circle": toy("circle", "A circle of radius 2 with radial noise"),
    "grid": toy("grid", "25 Gaussians on a grid", scale=3.0, bound=6.0),
    "moons": toy("moons", "Two moons"),
    "pinwheel": toy("pinwheel", "Bent arms"),
    "ring": toy("ring", "Eight Gaussians on a ring of radius 2"),
    "spirals": toy("spirals", "Two spirals"),
    "digits": (
        "Digits of 8×8 pixels, black or white: a restricted Boltzmann machine",
        replace(MACHINE, data="digits", out=Path("runs/energy-digits")),
    ),
    "binarized-mnist": (
        "MNIST in its canonical static binarisation: a restricted Boltzmann machine",
        replace(
            MACHINE,
            data="binarized-mnist",
            validate_every=2500,
            sweeps=4,
            out=Path("runs/energy-binarized-mnist"),
        ),
    ),
}


class Model(NamedTuple):
    """An energy whose partition function is within reach, so that what estimates it can be judged."""

    init: Callable  # init(key) -> params
    energy: Callable  # energy(params, x), nats
    transition: Callable  # transition(params, key, x) -> x
    fresh: Callable  # fresh(key) -> x, the start of a chain
    log_z: Callable  # log_z(params) -> (nats, error)
    sample: Callable  # sample(params, key, n), exact or as near as the grid allows
    bracket: Callable  # bracket(params, key) -> energy.Bracket


def network_energy(config: Config) -> Model:
    """A perceptron on top of a Gaussian, in the plane; transitions are Metropolis-adjusted Langevin steps."""
    import math

    import jax
    import jax.numpy as jnp

    from genjax import energy, nn
    from genjax.densities import normal_log_prob

    init, net = nn.functional(lambda rngs: nn.MLP(2, config.hidden, 1, activation=jax.nn.swish, rngs=rngs))
    log_var = 2 * math.log(config.scale)
    base = lambda x: -normal_log_prob(x, jnp.zeros(2), jnp.full(2, log_var))
    total = lambda params, x: net(params, x)[0] + base(x)
    langevin = partial(energy.metropolis_langevin, step_size=config.step_size)
    half = max(config.bound, 4 * config.scale)  # of the square that quadrature covers
    corner = jnp.full(2, half)
    fresh = lambda key: config.scale * jax.random.normal(key, (2,))

    def sample(params, key, n):
        """Cells of a grid by their mass, and uniform within."""
        key_cell, key_place = jax.random.split(key)
        cells = 400
        side = 2 * half / cells
        axis = -half + side * (jnp.arange(cells) + 0.5)
        centres = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        log_mass = -jax.vmap(partial(total, params))(centres)
        cell = jax.random.categorical(key_cell, log_mass, shape=(n,))
        return centres[cell] + side * (jax.random.uniform(key_place, (n, 2)) - 0.5)

    def bracket(params, key):
        key_base, key_model, key_run = jax.random.split(key, 3)
        n = config.annealing_chains
        path = energy.geometric_path(base, partial(total, params))
        move = lambda key, x, beta: langevin(key, lambda x: path(x, beta), x, num_steps=config.sweeps).x
        starts = jax.vmap(fresh)(jax.random.split(key_base, n))
        betas = jnp.linspace(0.0, 1.0, config.temperatures)
        return energy.annealed_bracket(
            key_run, path, move, starts, sample(params, key_model, n), betas, base_log_z=0.0
        )

    return Model(
        init,
        total,
        lambda params, key, x: langevin(key, partial(total, params), x, num_steps=config.chain_steps).x,
        fresh,
        lambda params: energy.log_partition_quadrature(
            partial(total, params), -corner, corner, num_points=200
        ),
        sample,
        bracket,
    )


def boltzmann_machine(config: Config, train) -> Model:
    """A restricted Boltzmann machine, whose base is the independent pixels of the training data."""
    import jax
    import jax.numpy as jnp

    from genjax import energy

    base_bias = energy.base_rate_logits(train)

    def init(key):
        weights = 0.01 * jax.random.normal(key, (train.shape[1], config.hidden_units))
        return energy.RestrictedBoltzmann(weights, base_bias, jnp.zeros(config.hidden_units))

    def bracket(rbm, key):
        betas = jnp.linspace(0.0, 1.0, config.temperatures)
        sizes = {"num_chains": config.annealing_chains, "num_sweeps": config.sweeps}
        return energy.boltzmann_bracket(key, rbm, base_bias, betas, **sizes)

    return Model(
        init,
        lambda rbm, v: rbm.free_energy(v),
        lambda rbm, key, v: rbm.gibbs(key, v, num_steps=config.chain_steps),
        lambda key: jax.random.bernoulli(key, jax.nn.sigmoid(base_bias)).astype(jnp.float32),
        lambda rbm: (rbm.log_partition(), jnp.zeros(())),
        lambda rbm, key, n: rbm.sample_exact(key, n),
        bracket,
    )


def main(config: Config) -> None:
    import jax
    import jax.numpy as jnp

    from genjax import Kind
    from genjax.training import (
        compare_samples,
        evenly_spaced,
        likelihood_entry,
        make_chain_step,
        make_optimizer,
        open_run,
        over_seeds,
        run_seeds,
        timed,
    )
    from genjax.training.task import TASKS

    task = TASKS[config.data](config.download)
    dataset, dims = task.dataset, task.dataset.num_dims
    images = task.density is None
    positive = ("hidden_units", "chains", "chain_steps", "step_size", "scale", "bound")
    run = open_run(config, dataset, *positive, "annealing_chains", "temperatures", "sweeps")

    def observe(stored):
        """Points as they are; pixels as 0 or 1, digits split at half of their grey levels."""
        if not images:
            return jnp.asarray(stored)
        assert dataset.num_levels is not None
        return jnp.asarray(stored.reshape(len(stored), dims) >= dataset.num_levels // 2, jnp.float32)

    train, validation, test = (observe(part) for part in (dataset.train, dataset.validation, dataset.test))
    model = boltzmann_machine(config, train) if images else network_energy(config)
    steps = make_chain_step(
        model.energy,
        model.transition,
        model.fresh,
        make_optimizer(config),
        num_chains=max(config.chains, config.batch_size),
        restart=config.restart,
    )

    def validate(params, x):
        """The negative log-likelihood itself, because log Z is within reach here."""
        return jnp.mean(jax.vmap(partial(model.energy, params))(x)) + model.log_z(params)[0]

    trained = run_seeds(run, config, model.init, steps, validate, train, validation)
    params = trained.params

    # Everything below is measured on the test set, with the parameters that validation chose; one seed after
    # the other, because an enumeration or 500 chains fill the machine.
    print(f"measuring {len(test)} test examples and the partition function", flush=True)
    in_turn = lambda fn: jax.jit(lambda *args: jax.lax.map(lambda a: fn(*a), args))
    keys = jax.random.split(jax.random.key(config.seed + 2000), config.seeds)
    log_z, log_z_error = in_turn(model.log_z)(params)
    energies = in_turn(lambda p: jax.vmap(partial(model.energy, p))(test))(params)
    ends, annealing_seconds = timed(in_turn(model.bracket), params, keys)
    num_samples = 2000
    samples, sampling_seconds = timed(in_turn(lambda p, k: model.sample(p, k, num_samples)), params, keys)
    log_probs = -energies - log_z[:, None]

    entry = likelihood_entry(log_probs, dims, Kind.EXACT, num_levels=1 if images else None)
    summary = {
        "schema_version": 1,
        "model": "restricted Boltzmann machine" if images else "energy of a network",
        "data": dataset.name,
        "seeds": config.seeds,
        "objective": {
            "name": "contrastive divergence with persistent chains",
            "kind": "an estimate of the gradient of the negative log-likelihood; its value bounds nothing",
        },
        "likelihood": {"log p(x), log Z " + ("enumerated" if images else "by quadrature"): entry},
        "log_partition_nats": {
            "value": over_seeds(log_z),
            "error": log_z_error.tolist(),
            "annealed_lower": ends.lower.tolist(),
            "annealed_lower_standard_error": ends.lower_error.tolist(),
            "annealed_upper": ends.upper.tolist(),
            "annealed_upper_standard_error": ends.upper_error.tolist(),
            "gap": over_seeds(ends.gap),
            "chains": config.annealing_chains,
            "temperatures": config.temperatures,
            "seconds_per_bracket": annealing_seconds / config.seeds,
        },
        **compare_samples(samples, evenly_spaced(test, 2000)),
        "selected_step": trained.selected_step,
        "cost": trained.cost(
            calls=None, sampling_seconds=sampling_seconds, num_samples=config.seeds * num_samples
        ),
    }
    if task.density is not None:
        summary["nll_of_the_truth_nats"] = -float(jax.jit(jax.vmap(task.density.log_prob))(test).mean())
    first = jax.tree.map(lambda leaf: leaf[0], params)
    learned = lambda x: -model.energy(first, x) - log_z[0]
    pictures = draw_pictures(run, task, config, learned, samples[0])
    run.write_json("summary.json", summary)
    report(run, summary, pictures)


def draw_pictures(run, task, config, learned, samples) -> dict[str, str]:
    """Draw the first seed; returns each picture's caption."""
    import jax
    import jax.numpy as jnp

    from genjax.training import figures

    names = {"validation_best": "best validation"}
    figures.curves(run.path / "curves.png", run.read_log(), names, ylabel="negative log-likelihood / nats")
    captions = {"curves.png": "The best validation cost so far, every seed."}
    if task.density is None:
        pixels = samples[:50].reshape(-1, *task.dataset.event_shape)
        grid = {"columns": 10, "low": 0.0, "high": 1.0, "title": "Exact samples"}
        figures.image_grid(run.path / "samples.png", pixels, **grid)
        return captions | {"samples.png": "Exact samples, by enumeration of the hidden units."}
    cells = 400
    axis = config.bound * (2 * (jnp.arange(cells) + 0.5) / cells - 1)
    grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1)
    on_grid = lambda log_prob: jnp.exp(jax.jit(jax.vmap(jax.vmap(log_prob)))(grid))
    figures.densities(
        run.path / "density.png",
        {"true density": on_grid(task.density.log_prob), "learned density": on_grid(learned)},
        limit=config.bound,
        points=samples,
    )
    return captions | {"density.png": "The true and the learned density on one colour scale, and samples."}


def report(run, summary, pictures) -> None:
    """Write the page and print its first lines."""
    from genjax.training.report import Entry, cost_entry, likelihood_rows, sample_entries, write_report

    likelihoods = likelihood_rows(summary)
    z = summary["log_partition_nats"]
    if "nll_of_the_truth_nats" in summary:
        likelihoods += (("of the true density", f"{summary['nll_of_the_truth_nats']:.4f} nats"),)
    bounds = [
        f"{low:.3f} ± {low_error:.3f} … {high:.3f} ± {high_error:.3f} (exact {exact:.3f})"
        for low, low_error, high, high_error, exact in zip(
            z["annealed_lower"],
            z["annealed_lower_standard_error"],
            z["annealed_upper"],
            z["annealed_upper_standard_error"],
            z["value"]["per_seed"],
            strict=True,
        )
    ]
    cost = f"{z['chains']} chains, {z['temperatures']} temperatures, {z['seconds_per_bracket']:.1f} s"
    for seed, line in enumerate(bounds):
        print(f"log Z of seed number {seed} by annealing, {cost}: {line}")
    entries = {
        "Objective": Entry(
            "Persistent contrastive divergence: its gradient estimates that of the negative log-likelihood, its "
            "value bounds nothing. Parameters were selected on validation data; numbers are of test data, mean ± "
            f"standard error over {summary['seeds']} seeds."
        ),
        "Likelihood": Entry(
            "Negative log-likelihood of test data. The partition function is computed, by quadrature or enumeration; "
            f"annealed importance sampling brackets it without knowing it ({cost}).",
            (*likelihoods, *((f"log Z, seed number {i}", line) for i, line in enumerate(bounds))),
        ),
        **sample_entries(summary),
        "Controls": Entry("None: the model is unconditional."),
        "Cost": cost_entry(summary),
        "Timesteps": Entry("Not applicable: this model has no timesteps."),
    }
    title = f"{summary['model']} on {summary['data']}".capitalize()
    write_report(run, title=title, entries=entries, figures=pictures)


if __name__ == "__main__":
    run_script(main, PRESETS)
