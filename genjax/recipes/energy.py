"""Energies whose partition function is within reach: a network's in the plane, and restricted Boltzmann machines."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from genjax.training.options import LARGEST, Bounds, Count, Decay, Options, Positive, Share, Width

if TYPE_CHECKING:
    from genjax.data import Spec
    from genjax.recipes.energies import Parts
    from genjax.training import Model


@dataclass(frozen=True)
class Config(Options):
    """Train an energy-based model."""

    data: Literal[
        "checkerboard", "circle", "grid", "moons", "pinwheel", "ring", "spirals", "digits", "binarized-mnist"
    ] = "ring"
    """Data set to learn: points by a network's energy, images by a restricted Boltzmann machine."""
    out: Path = Path("runs/energy-ring")
    steps: Count = 3000
    batch_size: Count = 512
    clip: Positive = 1.0
    ema: Decay = 0.998
    validate_every: Count = 500
    hidden: tuple[Width, ...] = (64, 64)
    """Widths of the hidden layers of the energy's network."""
    hidden_units: Annotated[int, Bounds(1, 24)] = 20
    """Hidden units of the Boltzmann machine; log Z is enumerated over their states."""
    chains: Count = 4096
    """Persistent chains; as many move in a step as the batch has examples."""
    restart: Share = 0.05
    """Share of the moving chains that start afresh."""
    chain_steps: Count = 20
    """Transitions of each chain per step."""
    step_size: Positive = 0.01
    """Step size of the Langevin transitions."""
    scale: Positive = 2.0
    """Standard deviation of fresh starts, and of the Gaussian that the network's energy adds to."""
    bound: Positive = 4.0
    """Half the side of the square that pictures cover."""
    annealing_chains: Annotated[int, Bounds(2, LARGEST)] = 500
    """Chains of each annealed run."""
    temperatures: Annotated[int, Bounds(2, LARGEST)] = 1000
    """Temperatures of an annealed run."""
    sweeps: Count = 1
    """Transitions at each temperature."""
    measuring: ClassVar[tuple[str, ...]] = (*Options.measuring, "annealing_chains", "temperatures", "sweeps")


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
    """A preset of a density in the plane."""
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


def parts(config: Config, data: "Spec") -> "Parts":
    """The energy of a configuration, with what a script needs to bracket its partition function."""
    from genjax.recipes.energies import boltzmann_machine, network

    return network(config) if data.num_levels is None else boltzmann_machine(config)


def model(config: Config, data: "Spec") -> "Model":
    """The model of a configuration; its likelihood is exact, because log Z is computed."""
    import jax
    import jax.numpy as jnp

    from genjax import Kind
    from genjax.data import views
    from genjax.training import LogProb, Model, make_chain_step, make_optimizer

    energy = parts(config, data)
    split = data.num_levels and data.num_levels // 2
    view = views.points(data) if split is None else views.binary(data, split_at=split)
    view = views.reshaped(view, (data.num_dims,))
    observe = partial(view.observe, None)  # these views draw nothing
    num_chains = max(config.chains, config.batch_size)
    init, chain_step = make_chain_step(
        *energy[1:4], make_optimizer(config), num_chains=num_chains, restart=config.restart
    )

    def validate(params, stored):
        """The negative log-likelihood itself, because log Z is within reach here."""
        energies = jax.vmap(lambda v: energy.energy(params, observe(v)))(stored)
        return jnp.mean(energies) + energy.log_z(params).log_z

    log_prob = lambda params, key, stored, log_z: -energy.energy(params, observe(stored)) - log_z
    return Model(
        name="energy of a network" if split is None else "restricted Boltzmann machine",
        view=view,
        init=energy.init,
        sample=energy.sample,
        log_probs={"log p(x)": LogProb(log_prob, Kind.EXACT, shared=lambda p: energy.log_z(p).log_z)},
        calls=None,
        steps=(init, lambda state, key, stored: chain_step(state, key, jax.vmap(observe)(stored))),
        validate=validate,
    )
