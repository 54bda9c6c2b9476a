"""Names that load when they are first touched (PEP 562), each listed once."""

import ast
import importlib
import sys
from typing import Any

__all__ = ["attach"]


def attach(package: str) -> None:
    """Make a package import what stands under its `if TYPE_CHECKING:` when it is first asked for.

    The block is what a type checker reads, and the only list: `__all__` and `dir()` follow from it.

    Args:
        package: the package's own `__name__`.

    >>> import genjax
    >>> "vae" in dir(genjax), "importlib" in dir(genjax)
    (True, False)
    """
    module = sys.modules[package]
    homes = _names(package)

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if homes[name] == package:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(homes[name]), name)

    names = sorted(homes)
    vars(module).update(__getattr__=load, __dir__=lambda: names, __all__=names)


def _names(package: str) -> dict[str, str]:
    """Each name under `if TYPE_CHECKING:` and the module it comes from."""
    loader: Any = sys.modules[package].__loader__
    source = loader.get_source(package)
    (block,) = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}
