"""Data sets, as arrays in memory, and toy densities with exact samplers and log-densities."""

from genjax.data.dataset import Dataset, centred_levels
from genjax.data.digits import digits
from genjax.data.toy import Circle

__all__ = ["Circle", "Dataset", "centred_levels", "digits"]
