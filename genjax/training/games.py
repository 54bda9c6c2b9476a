"""Several players, each with its own loss, parameters and optimizer, as one step."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, PRNGKeyArray, PyTree

from genjax._checks import check_count
from genjax.training.lazily import lazily
from genjax.training.steps import Init, Step, TrainState, make_step, value_and_terms

__all__ = ["GameState", "Player", "make_game_step"]


class Player(NamedTuple):
    """One player of a game.

    Args:
        loss: `loss(params, key, batch) -> scalar`, or `(scalar, terms)`, where `params` are those of all players by
            name; the player moves its own alone.
        optimizer: any Optax gradient transformation.
        repeats: moves per step, each on a part of the batch of its own.
        penalty: `penalty(params, key, batch) -> scalar`, added to the loss.
        penalty_every: steps from one use of the penalty to the next (lazy regularisation, Karras et al., 2020): it
            is then multiplied by this number, so that its mean stays, and its cost falls.

    >>> Player(lambda params, key, batch: params["critic"], optax.sgd(0.1)).repeats
    1
    """

    loss: Callable[..., Any]
    optimizer: optax.GradientTransformation
    repeats: int = 1
    penalty: Callable[..., Array] | None = None
    penalty_every: int = 1


class GameState(NamedTuple):
    """What a step of a game carries.

    Args:
        step: how many steps have been taken.
        players: the state of each player, by name.

    >>> GameState(jnp.array(0), {"critic": TrainState(jnp.array(0), jnp.ones(2), ())}).params["critic"].shape
    (2,)
    """

    step: Int[Array, ""]
    players: dict[str, TrainState]

    @property
    def params(self) -> dict[str, PyTree[Array]]:
        """The parameters of every player, by name."""
        return {name: player.params for name, player in self.players.items()}


def make_game_step(players: Mapping[str, Player]) -> tuple[Init, Step]:
    """Build `init` and `step` of a game whose players move in turn, each against the newest others.

    The batch is cut into as many parts as the largest `repeats`; move k of a player is on part k, so that the moves
    of a step see different data and all players parts of one size.

    Args:
        players: name to `Player`, in the order in which they move.

    Returns:
        `init(params) -> GameState`, where `params` maps each name to the player's parameters, and
        `step(state, key, batch) -> (state, metrics)`: a step like any other for `fit`, `with_ema` and `train`. The
        metrics are those of each player's last move with its name before them (`critic_loss`), `loss`, the loss of
        the first player, and `gradient_norm` over all of them.

    Raises:
        TypeError: a count is no integer.
        ValueError: there are no players, or a count is below 1; (on a step) the batch has no equal parts.

    >>> x, y = (lambda p: p["x"]), (lambda p: p["y"])
    >>> loss = lambda params, key, batch: x(params) * y(params) + x(params) ** 2
    >>> rival = lambda params, key, batch: -loss(params, key, batch)
    >>> init, step = make_game_step({"x": Player(loss, optax.sgd(0.1)), "y": Player(rival, optax.sgd(0.1))})
    >>> state, move = init({"x": jnp.array(1.0), "y": jnp.array(1.0)}), jax.jit(step)
    >>> for n in range(200):
    ...     state, metrics = move(state, jax.random.key(n), jnp.zeros((1, 1)))
    >>> print(f"{state.params['x']:.2f} {state.params['y']:.2f}")
    -0.00 0.00
    """
    if not players:
        raise ValueError("a game needs at least one player; got none")
    for name, player in players.items():
        counts = {f"{name}.repeats": player.repeats, f"{name}.penalty_every": player.penalty_every}
        check_count(**counts)
    parts = max(int(player.repeats) for player in players.values())
    moves = {
        name: make_step(partial(_own_loss, name, player), player.optimizer)
        for name, player in players.items()
    }

    def init(params: PyTree[Array]) -> GameState:
        return GameState(jnp.zeros((), int), {name: moves[name][0](params[name]) for name in players})

    def step(state: GameState, key: PRNGKeyArray, batch: PyTree[Array]) -> tuple[GameState, dict[str, Array]]:
        batches, states, metrics = _parts(batch, parts), dict(state.players), {}
        for number, (name, player) in enumerate(players.items()):
            due = state.step % player.penalty_every == 0
            for k in range(player.repeats):
                key_move = jax.random.fold_in(key, number * parts + k)
                all_params = {other: states[other].params for other in players}
                part = jax.tree.map(lambda leaf, k=k: leaf[k], batches)
                states[name], metrics[name] = moves[name][1](states[name], key_move, (all_params, due, part))
        named = {f"{name}_{key}": value for name, own in metrics.items() for key, value in own.items()}
        first = next(iter(players))
        norms = [own["gradient_norm"] for own in metrics.values()]
        overall = {"loss": metrics[first]["loss"], "gradient_norm": optax.tree.norm(norms)}
        return GameState(state.step + 1, states), overall | named

    return init, step


def _own_loss(
    name: str, player: Player, own: PyTree[Array], key: PRNGKeyArray, batch: tuple[Any, Bool[Array, ""], Any]
) -> tuple[Array, dict[str, Array]]:
    """The loss of a player as a function of its own parameters, with its penalty where that is due."""
    all_params, due, part = batch
    key_loss, key_penalty = jax.random.split(key)
    value, terms = value_and_terms(player.loss(all_params | {name: own}, key_loss, part))
    if (penalty := player.penalty) is None:
        return value, terms

    def weighted(own: PyTree[Array], all_params: Any, key: PRNGKeyArray, part: Any) -> Array:
        return player.penalty_every * penalty(all_params | {name: own}, key, part)

    now, slope = lazily(jax.value_and_grad(weighted), due, own, all_params, key_penalty, part)
    # Its value, and in the own parameters its slope, which was found where the penalty was due.
    moved = jax.tree.map(lambda s, p: jnp.sum(s * (p - jax.lax.stop_gradient(p))), slope, own)
    added = now + sum(jax.tree.leaves(moved))
    return value + added, terms | {"penalty": now}


def _parts(batch: PyTree[Array], parts: int) -> PyTree[Array]:
    lengths = {leaf.shape[0] for leaf in jax.tree.leaves(batch)}
    if any(length % parts for length in lengths):
        raise ValueError(
            f"a batch must have equal parts, one for each of the {parts} moves of a step; got "
            f"{', '.join(map(str, sorted(lengths)))} examples"
        )
    return jax.tree.map(lambda leaf: leaf.reshape(parts, leaf.shape[0] // parts, *leaf.shape[1:]), batch)
