"""What an energy may be: a scalar in nats, a number or +∞ (probability zero), never NaN or −∞."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_scalar, check_values

__all__ = ["EnergyFn", "energies_of", "energy_of", "valid_energies"]

EnergyFn = Callable[[Array], Array]


def energy_of(energy_fn: EnergyFn, x: Array) -> Float[Array, ""]:
    """The energy E(x) of one state, which must be one floating-point number; its value is not looked at."""
    energy = energy_fn(x)
    check_scalar("energy_fn(x)", energy)
    check_float(**{"energy_fn(x)": energy})
    return energy


def valid_energies(energies: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The energies, once NaN and −∞ are refused (under `jit`: both NaN)."""
    valid = energies > -jnp.inf
    check_values("energy", energies, valid, "be a number or +inf")
    return jnp.where(valid, energies, jnp.nan)


def energies_of(energy_fn: EnergyFn, states: Array, chunk_size: int) -> Float[Array, " m"]:
    """The energy of every state, `chunk_size` at once, in reverse mode too."""
    energy = jax.checkpoint(lambda x: energy_of(energy_fn, x))
    return valid_energies(jax.lax.map(energy, states, batch_size=min(int(chunk_size), states.shape[0])))
