"""The model of a run, made again from its folder alone: no data set, no optimizer."""

import contextlib
import dataclasses
import importlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from genjax.data.dataset import Spec
from genjax.faults import RunError
from genjax.training.checkpoints import Checkpoints
from genjax.training.model import Model
from genjax.training.options import check_options
from genjax.training.run import RunFolder

__all__ = ["Rebuilt", "rebuild"]

FAMILIES = ("autoencoder", "autoregressive", "energy", "flow", "vae")


class Rebuilt(NamedTuple):
    """A trained model.

    Args:
        model: as the recipe makes it.
        params: that validation chose; every leaf has a leading axis of seeds.
        step: the step of the checkpoint they come from.
        data: what is known of the data set.
    """

    model: Model
    params: PyTree[Array]
    step: int
    data: Spec


def rebuild(path: Path) -> Rebuilt:
    """Make the model of a run from `config.json` and its newest intact checkpoint.

    Args:
        path: the run folder.

    Returns:
        `Rebuilt`.

    Raises:
        UsageError: there is no run.
        RunError: `config.json` or every checkpoint is damaged, or they are of another version.
    """
    folder = RunFolder(Path(path))
    content = folder.read_json("config.json")
    try:
        recipe = importlib.import_module(f"genjax.recipes.{FAMILIES[FAMILIES.index(content['family'])]}")
        data = Spec(**content["data"])
        data = data._replace(event_shape=tuple(data.event_shape))
        config = recipe.Config(**{k: _value(recipe.Config, k, v) for k, v in content["config"].items()})
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(f"{folder.path / 'config.json'} is not one of a run: {error}") from error
    check_options(config)
    model = recipe.model(config, data)
    with contextlib.closing(Checkpoints(folder.checkpoints(), run=folder.identity())) as checkpoints:
        step, trees = checkpoints.restore({"params": _like(model, config.seeds, data)})
    return Rebuilt(model, trees["params"], step, data)


def _value(config: Any, name: str, value: Any) -> Any:
    """A plain value as the option's type has it."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    if isinstance(defaults[name], tuple):
        return tuple(value)
    return Path(value) if isinstance(defaults[name], Path) else value


def _like(model: Model, seeds: int, data: Spec) -> PyTree[Array]:
    """Parameters of the right structure, as zeros."""
    stored = jnp.zeros(data.event_shape, jnp.float32 if data.num_levels is None else jnp.uint8)

    def init(key: Any) -> Any:
        x = model.view.observe(key, stored)
        return model.init(key, jnp.stack([x, x]))

    @jax.jit  # of which the compiler keeps the zeros alone
    def zeros(keys: Any) -> PyTree[Array]:
        return jax.tree.map(jnp.zeros_like, jax.vmap(init)(keys))

    return zeros(jax.random.split(jax.random.key(0), seeds))
