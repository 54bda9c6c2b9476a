"""Inputs as stacks of examples."""

import itertools

import numpy as np


def product(*values):
    """Every combination of values, a stack of scalars for each argument."""
    return tuple(
        np.array(column, type(column[0])) for column in zip(*itertools.product(*values), strict=True)
    )


def stack(*examples):
    """Examples given one by one, each a tuple of arguments."""
    kind = lambda a: (
        float
        if np.asarray(a[0]).dtype.kind == "f" or any(np.asarray(v).dtype.kind == "f" for v in a)
        else int
    )
    return tuple(
        np.stack([np.asarray(a, kind(column)) for a in column]) for column in zip(*examples, strict=True)
    )


def signed(*magnitudes):
    """Each magnitude with both signs, as floats."""
    return [float(s * m) for m in magnitudes for s in (1, -1)]
