"""What libraries look for or import, and a command has no use for.

For a process that is one command: other users of a library would miss what it left out.
"""

import importlib.metadata
import sys
from collections.abc import Iterable, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any

# diffusers looks for transformers, OpenCLIP for transformers and timm, timm for wandb.  They take
# a third of the time that a restoration needs to start; each library goes on without them.
UNUSED_BY_RESTORE = ("timm", "transformers", "wandb")

# diffusers imports scipy's for schedules of noise, all its transformers and hooks for what a U-Net
# uses of one, and attention that is compiled; OpenCLIP the words of its texts, and torchvision for
# a layer of other towers; MediaPipe imports matplotlib to draw landmarks.
DEFERRED_BY_RESTORE = (
    *("scipy.integrate", "scipy.stats"),
    *("diffusers.hooks", "diffusers.models.transformers", "open_clip"),
    *("torch.nn.attention.flex_attention", "torchvision", "torchvision.ops"),
    *(
        "mediapipe.tasks.python.vision.drawing_styles",
        "mediapipe.tasks.python.vision.drawing_utils",
    ),
)

# diffusers marks functions for the compiler and asks whether a module is compiled.  Importing the
# compiler takes longer than all else of diffusers, and a restoration compiles nothing.
COMPILER = "torch._dynamo"


def begin_restoration() -> None:
    """Leave out what a command that restores has no use for."""
    hide(UNUSED_BY_RESTORE)
    defer(DEFERRED_BY_RESTORE)
    answers = {"allow_in_graph": _unmarked, "disable": _unmarked, "eval_frame": _NoneCompiled}
    defer([COMPILER], answers, whole=True)
    leave_distributions_unread()


def hide(names: Iterable[str]) -> None:
    """Make packages look as if they were not installed, for the rest of this process.

    Args:
        names: of packages; what has been imported already stays.
    """
    for name in names:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def defer(
    names: Iterable[str], at_once: Mapping[str, Any] | None = None, whole: bool = False
) -> None:
    """Run the code of modules when something of them is first used, not when they are imported.

    (``importlib.util.LazyLoader`` would not do: a second ``import`` of the same name runs the code,
    and so does that of a submodule.)

    Args:
        names: of modules; what has been imported already stays.
        at_once: what to have of each until its code runs.
        whole: of packages: whether their own code, that of ``__init__``, is to run before that of a
            submodule; otherwise submodules are imported without it.
    """
    sys.meta_path.insert(0, _Finder(names, at_once or {}, whole))


def leave_distributions_unread() -> None:
    """Spare diffusers the reading of which files belong to which installed package.

    It looks up names there that differ from those of their packages, which no restoration needs;
    it goes on with the names as they are.
    """
    importlib.metadata.packages_distributions = dict


def _unmarked(function: Any = None, *given: Any, **named: Any) -> Any:
    """Stand for a decorator, with or without arguments, that leaves a function as it is."""
    return _unmarked if function is None else function


class _NoneCompiled:
    """Stands for what knows compiled modules: there are none."""

    class OptimizedModule:
        """What a compiled module is an instance of."""


class _Finder(MetaPathFinder):
    """Finds some modules as they are found without it, and lets their code run later."""

    def __init__(self, names: Iterable[str], at_once: Mapping[str, Any], whole: bool) -> None:
        self._names, self._at_once, self._whole = frozenset(names), at_once, whole

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        package = sys.modules.get(fullname.rpartition(".")[0])
        if self._whole and isinstance(package, _Deferred) and package.__name__ in self._names:
            package.run()
            # That may have imported the submodule, too.
            found = sys.modules.get(fullname)
            if found is None:
                return None
            # The import system takes the module's own spec, and would load it a second time.
            found.__spec__ = ModuleSpec(fullname, _Loaded(found))
            return found.__spec__
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Later(spec.loader, self._at_once)
        return spec


class _Loaded(Loader):
    """Loads a module that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Later(Loader):
    """Makes a module whose code runs when something of it is first asked for."""

    def __init__(self, loader: Loader, at_once: Mapping[str, Any]) -> None:
        self._loader, self._at_once = loader, at_once

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._at_once, _code=self._loader, _lock=RLock())


class _Deferred(ModuleType):
    """A module whose code may not have run yet."""

    def run(self) -> None:
        """Run the code, once; it may itself ask for what it has not defined yet."""
        own = vars(self)
        with own["_lock"]:
            loader = own.pop("_code", None)
            if loader is None:
                return
            try:
                loader.exec_module(self)
            except BaseException:
                own["_code"] = loader
                raise

    def __getattr__(self, name: str) -> Any:
        # The import system asks for what every module has, and may do without.
        if not name.startswith("__"):
            self.run()
            if name in vars(self):
                return vars(self)[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
