"""The worst float32 errors of everything public on floors 0 to 2, value and gradient: `python -m tests.audit`.

Every row of the registry is a case, with its inputs there; the files of this folder add the inputs that hurt, and
truths that share no code with the library. `EXEMPT` are names without arithmetic of their own.
"""

import numpy as np

from ..registry import ROWS
from ..test_registry import PUBLIC, is_float
from . import (
    autoregressive,
    diffusion,
    energy,
    flow,
    foundations,
    gan,
    metrics,
    oracles,
    processes,
    sampling,
    score,
    vae,
)
from .case import Case

FAMILIES = (
    *(foundations, vae, flow, autoregressive, diffusion, processes, sampling, score),
    *(energy, gan, metrics, oracles),
)


TERMS = {name: terms for family in FAMILIES for name, terms in getattr(family, "TERMS", {}).items()}


def _of_registry(name, row) -> Case:
    args = tuple(np.asarray(a)[None] if is_float(a) else a for a in row.args)
    return Case(row.call, args, terms=TERMS.get(name), gradient=row.gradient != "none")


EXEMPT = {name: reason for family in FAMILIES for name, reason in family.EXEMPT.items()}
CASES = {name: [_of_registry(name, row)] for name, row in ROWS.items()}
for _family in FAMILIES:
    for _name, _cases in _family.CASES.items():
        CASES.setdefault(_name, []).extend(_cases)


def missing() -> set[str]:
    """The public names that are neither audited nor exempt."""
    return set(PUBLIC) - set(CASES) - set(EXEMPT)
