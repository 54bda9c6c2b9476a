"""One file per family: its options, its presets, and the model that they make.

Scripts, the command line and notebooks build from here; `rebuild` makes the model of a run again, without its data.
"""

from typing import TYPE_CHECKING

from genjax import _lazy

if TYPE_CHECKING:
    from genjax.recipes import autoencoder as autoencoder
    from genjax.recipes import autoregressive as autoregressive
    from genjax.recipes import classifier as classifier
    from genjax.recipes import diffusion as diffusion
    from genjax.recipes import energy as energy
    from genjax.recipes import flow as flow
    from genjax.recipes import gan as gan
    from genjax.recipes import vae as vae
    from genjax.recipes.from_run import Rebuilt as Rebuilt
    from genjax.recipes.from_run import rebuild as rebuild

_lazy.attach(__name__)
