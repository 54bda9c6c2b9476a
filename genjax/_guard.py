"""Refuse to run mixed with the other project that imports as `genjax`."""

from importlib.metadata import PackageNotFoundError, version

try:
    _other = version("genjax")
except PackageNotFoundError:
    pass
else:
    raise ImportError(
        f"two projects import as 'genjax': this one (distribution 'genjax-lab') and the distribution "
        f"'genjax' {_other} are installed in the same environment and overwrite each other's modules. "
        f"Keep one: `pip uninstall genjax genjax-lab`, then install the one you want."
    )
