"""What a heap hangs from and has a name: modules, threads, the variables of running functions."""

from __future__ import annotations

from dataclasses import dataclass, field

from leakscope.model.evidence import Site


@dataclass(frozen=True, slots=True)
class ModuleRoot:
    """A module in `sys.modules`."""

    address: int
    name: str
    file: str = field(default="", compare=False)
    """What it says is its file; empty if it says nothing. Heaps that were saved do not tell."""


@dataclass(frozen=True, slots=True)
class ThreadRoot:
    """A thread that has entered the interpreter."""

    ident: int
    name: str
    """As `threading` calls it, or else its ident."""
    storage: int
    """Address of the dict that holds its thread-local data, 0 if it has none."""
    context: int = 0
    """Address of the context that its context variables are set in, 0 if it has none."""
    native_id: int = 0
    """What the kernel calls it, 0 if that is not known."""
    calls: tuple[Site, ...] = ()
    """What it runs, innermost first; empty if that is not known, or nothing."""

    def label(self, address: int) -> str | None:
        """Return what the object at `address` is called if it is the thread's, as a root."""
        if not address:
            return None
        if address == self.storage:
            return f"thread-local data of thread {self.name}"
        return f"context of thread {self.name}" if address == self.context else None


@dataclass(frozen=True, slots=True)
class LocalRoot:
    """A local variable of a function that runs."""

    address: int
    """Of its value, or of the cell that the value is in."""
    variable: str
    thread: str
    depth: int
    """0 for the innermost call of its thread."""
    site: Site
    """Where the function is."""

    @property
    def label(self) -> str:
        """What it is called as the beginning of a chain."""
        place = f"{self.site.function} ({self.site.file}:{self.site.line})"
        return f"thread {self.thread} frame {place} local {self.variable}"


@dataclass(frozen=True, slots=True)
class HeapRoots:
    """What holds a heap from outside and has a name."""

    modules: tuple[ModuleRoot, ...] = ()
    """In the order of `sys.modules`."""
    threads: tuple[ThreadRoot, ...] = ()
    locals: tuple[LocalRoot, ...] = ()
    """Thread by thread, innermost call first."""

    def label(self, address: int) -> str | None:
        """Return what the object at `address` is called as a root; the best name, if it has one."""
        for module in self.modules:
            if module.address == address:
                return f"module {module.name}"
        for thread in self.threads:
            if (label := thread.label(address)) is not None:
                return label
        return next((local.label for local in self.locals if local.address == address), None)
