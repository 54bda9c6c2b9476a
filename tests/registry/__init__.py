"""Everything public on floors 0 to 2, a file a family.

`ROWS`: how the battery of test_registry calls each function. `RECORDS`: records and wrappers that hold no mathematics
of their own, each with the test that covers it. `STRUCTURE` and `VALUES`: faults, each with the message that
test_checks expects; the former are raised while tracing, the latter on concrete input and through `checked`, and give
NaN under jit.
"""

from . import autoregressive, diffusion, energy, flow, foundations, gan, metrics, oracles, vae

FAMILIES = (foundations, vae, flow, autoregressive, diffusion, energy, gan, metrics, oracles)

ROWS = {name: row for family in FAMILIES for name, row in family.ROWS.items()}
RECORDS = {name: test for family in FAMILIES for name, test in family.RECORDS.items()}
STRUCTURE = [fault for family in FAMILIES for fault in family.STRUCTURE]
VALUES = [fault for family in FAMILIES for fault in family.VALUES]
