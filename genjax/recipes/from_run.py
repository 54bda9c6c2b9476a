"""The model of a run, made again from its folder alone: no data set, no optimizer."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from genjax.data.dataset import Spec
from genjax.faults import RunError, UsageError
from genjax.training.checkpoints import Checkpoints
from genjax.training.model import Model
from genjax.training.options import check_options, fits
from genjax.training.run import RunFolder

__all__ = ["Rebuilt", "rebuild"]

FAMILIES = (
    "autoencoder",
    "autoregressive",
    "classifier",
    "diffusion",
    "energy",
    "flow",
    "flow_matching",
    "gan",
    "score",
    "vae",
)


class Rebuilt(NamedTuple):
    """A trained model.

    Args:
        config: the configuration of its recipe.
        model: as the recipe makes it.
        params: that validation chose; every leaf has a leading axis of seeds.
        step: the step of the checkpoint they come from.
        data: what is known of the data set.
    """

    config: Any
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
    recipe, config, data = _configured(folder)
    with _named(folder):
        model = recipe.model(config, data)
    with contextlib.closing(Checkpoints(folder.checkpoints(), run=folder.identity())) as checkpoints:
        step, trees = checkpoints.restore({"params": _like(model, config.seeds, data)})
    return Rebuilt(config, model, trees["params"], step, data)


def _configured(folder: RunFolder) -> tuple[Any, Any, Spec]:
    """The recipe, its configuration and what is known of the data, as `config.json` has them."""
    content = folder.read_config()
    with _named(folder):
        recipe = importlib.import_module(f"genjax.recipes.{FAMILIES[FAMILIES.index(content['family'])]}")
        data = _spec(content["data"])
        hints = get_type_hints(recipe.Config)
        config = recipe.Config(**{name: _value(hints[name], v) for name, v in content["config"].items()})
        # A default in place of what is missing would make another model.
        if absent := vars(config).keys() - content["config"].keys():
            raise ValueError(f"its config lacks {', '.join(sorted(absent))}")
        check_options(config)
    return recipe, config, data


@contextlib.contextmanager
def _named(folder: RunFolder) -> Iterator[None]:
    """Name `config.json` where its content makes no model."""
    try:
        yield
    except (UsageError, KeyError, TypeError, ValueError, RecursionError) as error:
        line = " ".join(str(error).split())  # a name in the file can hold a line's end
        raise RunError(f"{folder.path / 'config.json'} is not one of a run: {line:.200}") from error


def _spec(content: dict[str, Any]) -> Spec:
    if absent := set(Spec._fields) - content.keys():  # a default would make another model, as above
        raise ValueError(f"its data lacks {', '.join(sorted(absent))}")
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    spec = Spec(**fields)
    sizes = (*spec.event_shape, spec.num_levels or 2, spec.num_classes or 1)
    if (
        not all(fits(getattr(spec, name), hint) for name, hint in get_type_hints(Spec).items())
        or min(sizes) < 1
    ):
        raise ValueError(f"data is {content}")
    return spec


def _value(hint: Any, value: Any) -> Any:
    """A plain value as the option's type has it."""
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(value, str) and fits(Path(value), hint) else value


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
