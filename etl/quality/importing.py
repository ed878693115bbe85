"""Import a large library for a small part of it: what of it is only imported, and not used, is not loaded."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _OnFirstUse(MetaPathFinder):
    """Finds these modules in the usual way, and lets each load when one of its attributes is asked for."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def loaded_on_first_use(*names: str) -> Iterator[None]:
    """While in this context, an import of these modules loads them no sooner than they are used.

    A module that is used after all, or that is there already, is as ever.
    """
    finder = _OnFirstUse(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def imported_for_good(name: str) -> Iterator[None]:
    """Import a module in this context without collecting garbage, then or in what it made.

    An import makes objects by the hundred thousand, hardly any of them garbage; each later collection would look
    through all of them. Nothing happens where the module is there already.
    """
    if name in sys.modules:
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
