"""One audit of a function: its inputs, the truth, and how far float32 lies from it."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

EPS = 2.0**-23
BAR = 1e-5  # the relative error allowed
FACTOR = 4  # times the change of the truth when every input moves by one unit in its last place
NUM_DRAWS = 8
TINY = 1e-37  # below it float32 has no digits to be wrong in
mpmath.mp.dps = 120
STEP = mpmath.mpf(10) ** -25


@dataclass(frozen=True)
class Case:
    """Many inputs of one public function.

    Args:
        call: a function of arrays alone, one example.
        args: arrays with a leading axis of inputs (float64, rounded to float32 before use), or keys, which all share.
        exact: the truth in mpmath, `exact(*args)` of one example in object arrays, where float64 could be wrong in
            the same way; float64 has to agree with it too. Without it the truth is the same code in float64.
        terms: `terms(*args)` of the stacks: where a sum may cancel, its largest term, for the value and for each
            gradient, a number, one an input or one an output; errors of its round-off are allowed.
        gradient: whether the Jacobian of every output in every float argument is compared.
        exact_gradient: whether `exact` may be differenced, or what to difference instead; False at an edge of the
            domain, where the truth of the gradient is the same code in float64.
        in_float64: whether float64 has to agree with `exact`; a table that is stored in float32 cannot.
    """

    call: Callable[..., Any]
    args: tuple[Any, ...]
    exact: Callable[..., Any] | None = None
    terms: Callable[..., list[Any]] | None = None
    gradient: bool = True
    exact_gradient: bool | Callable[..., Any] = True
    in_float64: bool = True


@dataclass(frozen=True)
class Reference:
    """The truth of a case: of the value, and of the Jacobian in each float argument."""

    args: tuple[Any, ...]  # as float32 rounds them
    true: list[np.ndarray]
    change: list[
        np.ndarray
    ]  # of the truth by the last digit of the inputs, and the round-off of the largest term


@dataclass(frozen=True)
class Part:
    """The worst of a value, or of one Jacobian."""

    of: str  # "value" or "gradient"
    num_numbers: int
    relative: float  # where the bar of BAR decides; NaN where a number is none
    conditioned: float  # where the condition number decides: at most FACTOR
    bad: np.ndarray  # which numbers break the bar


@dataclass(frozen=True)
class Result:
    """The worst of one case: relative errors, and errors in units of what round-off in the inputs explains."""

    parts: list[Part]  # of float32: the value, and the Jacobian in each float argument
    faults: list[str]

    @property
    def num_numbers(self) -> int:
        return sum(part.num_numbers for part in self.parts)

    @property
    def relative(self) -> float:
        return worst(part.relative for part in self.parts)

    @property
    def conditioned(self) -> float:
        return worst(part.conditioned for part in self.parts)


def worst(values: Iterable[float]) -> float:
    """The largest, NaN where one is NaN."""
    return float(np.max([0.0, *values]))


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype == np.float64


def rounded(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a.astype(np.float32).astype(np.float64) if is_float(a) else a for a in args)


def flat(outputs: Any) -> jax.Array:
    """Every output as one vector; counts and decisions are numbers too."""
    return jnp.concatenate([jnp.ravel(jnp.asarray(a)).astype(float) for a in jax.tree.leaves(outputs)])


def program(case: Case) -> Callable[..., list[jax.Array]]:
    """The value of every input and, for each float argument, the Jacobian."""
    positions = tuple(i for i, a in enumerate(case.args) if is_float(a)) if case.gradient else ()
    axes = tuple(0 if isinstance(a, np.ndarray) else None for a in case.args)
    call = lambda *args: flat(case.call(*args))

    def one(*args):
        value = call(*args)
        jacobian = jax.jacrev(call, positions)(*args) if positions else ()
        return [value, *(jnp.reshape(j, (value.size, -1)) for j in jacobian)]

    return jax.jit(jax.vmap(one, axes))


def float32_draws() -> ExitStack:
    """A key draws other numbers in float64 than in float32: here it draws those of float32."""
    stack = ExitStack()
    for name in ("normal", "uniform", "rademacher"):
        draw = getattr(jax.random, name)
        cast = lambda key, shape=(), dtype=float, draw=draw: draw(key, shape, jnp.float32).astype(dtype)
        stack.enter_context(patch.object(jax.random, name, cast))
    for name in ("bernoulli", "categorical"):
        draw = getattr(jax.random, name)
        cast = lambda key, p, *shape, draw=draw, **options: draw(key, jnp.float32(p), *shape, **options)
        stack.enter_context(patch.object(jax.random, name, cast))
    return stack


def in_float64(case: Case) -> Callable[..., list[np.ndarray]]:
    compiled = program(case)

    def call(*args):
        with jax.enable_x64(True), float32_draws():
            return [np.asarray(a, np.float64) for a in compiled(*args)]

    return call


def in_mpmath(case: Case) -> Callable[..., list[np.ndarray]]:
    """The truth by `exact`, and its Jacobian by central differences of many digits."""
    to_mp = np.frompyfunc(mpmath.mpf, 1, 1)
    assert case.exact is not None
    of = lambda exact: (
        lambda args: np.concatenate([np.ravel(np.asarray(a, object)) for a in _leaves(exact(*args))])
    )
    value = of(case.exact)
    slope_of = of(case.exact_gradient) if callable(case.exact_gradient) else value

    def one(args):
        floats = list(map(is_float, args))
        args = [np.asarray(to_mp(a), object) if is_float(a) else a for a in args]
        results = [value(args)]
        for i, a in enumerate(args if case.gradient and case.exact_gradient else ()):
            if not floats[i]:
                continue
            columns = []
            for j in range(a.size):
                ends, step = [], STEP * (abs(a.flat[j]) if mpmath.isfinite(a.flat[j]) and a.flat[j] else 1)
                for sign in (1, -1):
                    moved = np.array(a, object)
                    moved.flat[j] = moved.flat[j] + sign * step
                    ends.append(slope_of([*args[:i], moved, *args[i + 1 :]]))
                columns.append((ends[0] - ends[1]) / (2 * step))
            results.append(np.stack(columns, axis=-1))
        return [r.astype(np.float64) for r in results]

    def call(*args):
        n = next(len(a) for a in args if isinstance(a, np.ndarray))
        items = [[a[i] if isinstance(a, np.ndarray) else a for a in args] for i in range(n)]
        items = [
            [np.asarray(a, np.float64) if isinstance(a, np.floating) else a for a in item] for item in items
        ]
        return [np.stack(leaves) for leaves in zip(*map(one, items), strict=True)]

    return call


def _leaves(outputs: Any) -> list[Any]:
    return [leaf for a in outputs for leaf in _leaves(a)] if isinstance(outputs, tuple | list) else [outputs]


def perturbed(args: tuple[Any, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(a * (1 + EPS * rng.choice([-1.0, 1.0], a.shape)) if is_float(a) else a for a in args)


def reference(case: Case) -> Reference:
    """The truth at every input, and at inputs moved by one unit in their last place."""
    args, rng = rounded(case.args), np.random.default_rng(0)
    double = in_float64(case)
    truth = double
    if case.exact is not None:
        exact = in_mpmath(case)
        truth = lambda *args: [*(known := exact(*args)), *double(*args)[len(known) :]]
    true = truth(*args)
    moved = [truth(*perturbed(args, rng)) for _ in range(NUM_DRAWS)]
    largest = [0.0] * len(true) if case.terms is None else case.terms(*args)
    changes = []
    for part, t in enumerate(true):
        with np.errstate(invalid="ignore"):
            change = np.max([np.abs(m[part] - t) for m in moved], axis=0)
        size = np.asarray(largest[part])
        by_round_off = EPS * (size if size.shape == t.shape else size.reshape((-1,) + (1,) * (t.ndim - 1)))
        changes.append(np.where(np.isfinite(change), change, 0.0) + by_round_off)
    return Reference(args, true, changes)


def judge(actual: list[np.ndarray], truth: Reference, eps: float = EPS) -> list[Part]:
    """Compare a value, and as many Jacobians as there are, of an arithmetic of this precision with the truth."""
    parts = []
    for a, true, change in zip(actual, truth.true, truth.change, strict=False):
        relative, conditioned, bad = compare(a, true, change * (eps / EPS), BAR * eps / EPS)
        parts.append(Part("gradient" if parts else "value", a.size, relative, conditioned, bad))
    return parts


def in_float32(case: Case, args: tuple[Any, ...]) -> list[np.ndarray]:
    single = program(case)(*(a.astype(np.float32) if is_float(a) else a for a in args))
    return [np.asarray(a, np.float64) for a in single]


def measure(case: Case, truth: Reference | None = None) -> Result:
    """Compare float32, and float64 where there is an exact truth, with the truth at every input."""
    truth = reference(case) if truth is None else truth
    single = in_float32(case, truth.args)
    parts = judge(single, truth)
    runs = [("float32", single, parts)]
    if case.exact is not None and case.in_float64:
        known = 1 + sum(map(is_float, case.args)) * bool(case.gradient and case.exact_gradient)
        double = in_float64(case)(*truth.args)[:known]  # the rest is its own truth
        runs.append(("float64", double, judge(double, truth, 2.0**-52)))
    faults = []
    for name, actual, judged in runs:
        for position, (a, part) in enumerate(zip(actual, judged, strict=True)):
            where = "value" if position == 0 else f"gradient {position - 1}"
            for index in zip(*np.nonzero(part.bad), strict=True):
                inputs = [np.asarray(x[index[0]]).tolist() for x in truth.args if isinstance(x, np.ndarray)]
                faults.append(
                    f"{name} {where}{list(map(int, index[1:]))}: {a[index]:.9g} for "
                    f"{truth.true[position][index]:.9g}, input {int(index[0])}: {str(inputs)[:300]}"
                )
    return Result(parts, faults)


def compare(
    actual: np.ndarray, true: np.ndarray, change: np.ndarray, bar: float
) -> tuple[float, float, np.ndarray]:
    """The worst relative error, the worst in units of `change` where that is larger, and which break the bar."""
    largest = float(np.finfo(np.float32).max) if bar == BAR else np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        same = (actual == true) | ((np.abs(true) >= largest) & (actual == np.sign(true) * np.inf))
        error = np.where(same, 0.0, np.abs(actual - true))
        by_bar = bar * np.abs(true) + TINY >= FACTOR * change
        relative = np.where(by_bar & ~(error <= TINY), error / np.abs(true), 0.0)  # of NaN, NaN
        scaled = np.where(by_bar, 0.0, error / change)
    # NaN fails every comparison, so that it counts as bad.
    bad = ~((relative <= bar) & (scaled <= FACTOR))
    return float(np.max(relative, initial=0.0)), float(np.max(scaled, initial=0.0)), bad
