"""How far another library lies from the truth that genjax is audited against, by the same measure."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .case import Case, Part, Reference, in_float32, is_float, judge, worst


class Lazy:
    """A module that is imported when it is first asked for something."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, key: str) -> Any:
        return getattr(importlib.import_module(self._name), key)


@dataclass(frozen=True)
class Peer:
    """The same quantity by another library.

    Args:
        package: what has to be installed.
        name: the peer's function, as its documentation names it.
        call: the inputs of one example to the value of the case, as JAX arrays or as torch tensors.
        cases: which of the audit's cases of the function have this quantity; all by default.
        framework: "jax" or "torch": what `call` takes, and how it is differentiated.
        gradient: whether the peer's derivatives are compared too.
        note: what the peer documents of its precision, or which way it recommends.
    """

    package: str
    name: str
    call: Callable[..., Any]
    cases: tuple[int, ...] | None = None
    framework: str = "jax"
    gradient: bool = True
    note: str = ""

    def among(self, cases: list[Case]) -> list[int]:
        return list(range(len(cases))) if self.cases is None else list(self.cases)


@dataclass(frozen=True)
class Row:
    """A line of the table: the worst relative errors of both, and how many numbers lie beyond the bars."""

    function: str
    ours: list[Part]
    peer: Peer
    theirs: list[Part]
    failure: str = ""  # why there are none


@cache
def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def outputs(peer: Peer, case: Case, truth: Reference) -> list[np.ndarray]:
    """The peer's value, and its Jacobians where they are compared, from float32 inputs."""
    gradient = case.gradient and peer.gradient
    if peer.framework == "jax":
        return in_float32(Case(peer.call, case.args, gradient=gradient), truth.args)
    import torch

    parts = []
    n = next(len(a) for a in truth.args if isinstance(a, np.ndarray))
    positions = [i for i, a in enumerate(truth.args) if is_float(a)] if gradient else []
    for k in range(n):
        args = [_tensor(a[k]) for a in truth.args if isinstance(a, np.ndarray)]

        def one(*moved, args=args):
            inputs = list(args)
            for i, a in zip(positions, moved, strict=True):
                inputs[i] = a
            return _flat(peer.call(*inputs))

        floats = tuple(args[i] for i in positions)
        jacobians = torch.autograd.functional.jacobian(one, floats) if positions else ()
        value = one(*floats)
        parts.append([value, *(j.reshape(value.numel(), -1) for j in jacobians)])
    return [np.stack([a.detach().numpy() for a in part]).astype(float) for part in zip(*parts, strict=True)]


def _tensor(a: Any) -> Any:
    import torch

    return torch.as_tensor(np.asarray(a, np.float32 if np.asarray(a).dtype.kind == "f" else np.int64))


def _flat(outputs: Any) -> Any:
    import torch

    leaves = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return torch.cat([torch.as_tensor(a, dtype=torch.float32).reshape(-1) for a in leaves])


def compare(
    function: str, peer: Peer, cases: list[Case], truths: list[Reference], ours: list[list[Part]]
) -> Row:
    """The peer on the inputs of the audit, and genjax on the same inputs and in the same parts."""
    own, theirs = [], []
    for i in peer.among(cases):
        try:
            parts = judge(outputs(peer, cases[i], truths[i]), truths[i])
        except Exception as error:  # a peer may refuse an input, or not work with the versions at hand
            return Row(function, [], peer, [], f"raises {type(error).__name__}")
        theirs += parts
        own += ours[i][: len(parts)]
    return Row(function, own, peer, theirs)


def size(parts: list[Part]) -> str:
    value = worst(part.relative for part in parts)
    if not parts:
        return "-"
    return "NaN" if np.isnan(value) else "inf" if np.isinf(value) else f"{value:.1e}"


def beyond(parts: list[Part]) -> str:
    return f"{sum(int(part.bad.sum()) for part in parts)}/{sum(part.num_numbers for part in parts)}"


def table(rows: list[Row], absent: list[str]) -> str:
    """The rows as text, and which peers are not installed."""
    lines = [
        "Beside other libraries: the worst relative error of values and of gradients on the same float32 inputs,",
        "where the bar decides, and how many of the peer's numbers lie beyond the bars of the audit",
        "",
        f"{'function':46} {'genjax':>8} {'gradient':>8}  {'peer':56} {'value':>8} {'gradient':>8}  {'beyond':>9}",
    ]
    for row in rows:
        peer = f"{row.peer.package} {row.peer.name}"
        if row.failure:
            lines.append(f"{row.function:46} {'':17}  {peer:56} {row.failure}")
            continue
        split = [
            [p for p in parts if p.of == of]
            for parts in (row.ours, row.theirs)
            for of in ("value", "gradient")
        ]
        ours, theirs = (" ".join(f"{size(parts):>8}" for parts in pair) for pair in (split[:2], split[2:]))
        note = f"  {row.peer.note}" if row.peer.note else ""
        lines.append(f"{row.function:46} {ours}  {peer:56} {theirs}  {beyond(row.theirs):>9}{note}")
    if absent:
        lines.append(f"not installed: {', '.join(absent)}")
    return "\n".join(lines)
