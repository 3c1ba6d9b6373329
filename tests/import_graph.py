"""Who imports whom in this project, read from its source: ``python -m tests.import_graph``.

Prints the rooms with the rooms that each imports, imports against their order, and the circles,
between rooms and between modules. Imports inside functions count, and so do modules named in a
string or in a package's stub (names that are loaded when first used); those for type checkers
alone are told apart.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("convert", "keras_fcn")

#: The rooms, top first: each may import those of its own line and of the lines below.
ORDER = """
convert  keras_fcn.__main__
keras_fcn.cli
keras_fcn  keras_fcn.supported
keras_fcn._registration  keras_fcn.former_names
keras_fcn.solver
keras_fcn.batch  keras_fcn.training  keras_fcn.verifying  keras_fcn.serving
keras_fcn.pycaffe
keras_fcn.datasets  keras_fcn.exporting  keras_fcn.inference  keras_fcn.loading  keras_fcn.visualize
keras_fcn.builder  keras_fcn.to_caffe  keras_fcn.models
keras_fcn.surgery  keras_fcn.published
keras_fcn.graph  keras_fcn.core
keras_fcn.unbuilder
keras_fcn.layers  keras_fcn.errors  keras_fcn.dnn  keras_fcn.samples
keras_fcn.cards  keras_fcn.engines  keras_fcn.rasters
keras_fcn.preprocessing
keras_fcn.caffe
keras_fcn.caffe.conversion
keras_fcn.caffe.surgery  keras_fcn.caffe.keras_hdf5  keras_fcn.caffe.onnx  keras_fcn.caffe.ncnn
keras_fcn.caffe.nodes
keras_fcn.caffe.net
keras_fcn.caffe.blobs  keras_fcn.caffe.text  keras_fcn.caffe.layers
keras_fcn.caffe.proto  keras_fcn.caffe.io
keras_fcn.caffe.definition
keras_fcn.caffe.limits
keras_fcn.caffe.errors  keras_fcn.caffe.names  keras_fcn.caffe.records  keras_fcn.caffe.words
keras_fcn.device  keras_fcn.hints  keras_fcn.kept  keras_fcn.startup
keras_fcn.lazy  keras_fcn.text_tables  keras_fcn.version
"""


@dataclass(frozen=True)
class Import:
    """One module that another imports."""

    source: str
    target: str  # a module of the project, or the top-level package of another
    line: int
    how: str  # "module", "function", "type" (for checkers alone) or "name" (in a string or stub)

    def __str__(self) -> str:
        how = "" if self.how == "module" else f" ({self.how})"
        return f"{self.source}:{self.line} imports {self.target}{how}"


def modules(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Every module of some packages: name -> file."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: Mapping[str, Path]) -> list[Import]:
    """Every import of some modules, in the order of their source."""
    return [found for name, path in known.items() for found in _Reader(name, path, known).read()]


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, name: str, path: Path, known: Mapping[str, Path]) -> None:
        self.name = name
        self.path = path
        self.known = known
        self.how = "module"
        self.found: list[Import] = []

    def read(self) -> list[Import]:
        self.visit(ast.parse(self.path.read_text(encoding="utf-8")))
        stub = self.path.with_suffix(".pyi")
        if stub.exists():
            self._within("name", [ast.parse(stub.read_text(encoding="utf-8"))])
        return self.found

    def _add(self, target: str, line: int, how: str = "") -> None:
        self.found.append(Import(self.name, target, line, how or self.how))

    def _within(self, how: str, nodes: Iterable[ast.AST]) -> None:
        before, self.how = self.how, "type" if self.how == "type" else how
        for node in nodes:
            self.visit(node)
        self.how = before

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._within("function", ast.iter_child_nodes(node))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_If(self, node: ast.If) -> None:
        checking = "TYPE_CHECKING" in ast.unparse(node.test)
        self._within("type" if checking else self.how, node.body)
        self._within(self.how, node.orelse)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(self._module(alias.name), node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        home = node.module or ""
        if node.level:
            package = self.name.split(".")
            up = node.level - (self.path.name == "__init__.py")
            home = ".".join(filter(None, [*package[: len(package) - up], home]))
        own = self.how == "name" and home == self.name  # modules of a package are its attributes
        for target in {self._module(f"{home}.{alias.name}"): None for alias in node.names}:
            if not own:
                self._add(target, node.lineno)

    def visit_Constant(self, node: ast.Constant) -> None:
        """A string that names a module, whole or from this package on."""
        if isinstance(node.value, str):
            for name in (node.value, f"{self.name}.{node.value}"):
                if name in self.known and name != self.name and "." in name:
                    self._add(name, node.lineno, "name")

    def _module(self, name: str) -> str:
        """The longest part of a dotted name that is a module; of other packages the first."""
        parts = name.split(".")
        while parts and ".".join(parts) not in self.known:
            parts.pop()
        return ".".join(parts) or name.split(".")[0]


def room(module: str) -> str:
    """The room of a module: its folder, within ``keras_fcn.caffe`` that below it."""
    parts = module.split(".")
    if parts[:2] == ["keras_fcn", "caffe"]:
        return ".".join(parts[:3])
    return ".".join(parts[:2]) if parts[0] == "keras_fcn" else parts[0]


def arrows(found: Iterable[Import]) -> dict[str, dict[str, list[Import]]]:
    """Room -> the other rooms of the project that it imports, with the imports."""
    result: dict[str, dict[str, list[Import]]] = {}
    for each in found:
        source, target = room(each.source), room(each.target)
        result.setdefault(source, {})
        if source != target and each.target.split(".")[0] in PACKAGES:
            result[source].setdefault(target, []).append(each)
    return result


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of nodes that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            start = stack.index(node)
            group = stack[start:]
            del stack[start:]
            if len(group) > 1 or node in graph.get(node, ()):
                result.append(sorted(group))

    for node in list(graph):
        if node not in index:
            visit(node)
    return sorted(result)


def module_graph(found: Iterable[Import]) -> dict[str, set[str]]:
    """Module -> the modules of the project that it needs, for type checkers alone aside."""
    graph: dict[str, set[str]] = {}
    for each in found:
        targets = graph.setdefault(each.source, set())
        if each.how != "type" and each.target.split(".")[0] in PACKAGES:
            targets.add(each.target)
    return graph


def levels() -> dict[str, int]:
    """Room -> its line in the order."""
    lines = ORDER.strip().splitlines()
    return {name: index for index, line in enumerate(lines) for name in line.split()}


def against_order(found: Iterable[Import]) -> list[Import]:
    """The imports of a room that stands above the importing one, or in no line."""
    level = levels()
    return [
        each
        for source, targets in arrows(found).items()
        for target, which in targets.items()
        for each in which
        if source not in level or level.get(target, -1) < level[source]
    ]


def report(found: list[Import]) -> Iterator[str]:
    """The lines that the script prints."""
    between, level = arrows(found), levels()

    def rank(name: str) -> tuple[int, str]:
        return level.get(name, -1), name

    yield "Rooms, top first, and what they import (number of imports):"
    for source in sorted(between, key=rank):
        yield f"  {source}"
        for target, which in sorted(
            between[source].items(), key=lambda item: level.get(item[0], -1)
        ):
            types = all(each.how == "type" for each in which)
            yield f"    -> {target} ({len(which)}{', types only' if types else ''})"
    wrong = against_order(found)
    yield f"Imports against the order: {len(wrong) or 'none'}"
    yield from (f"  {each}" for each in wrong)
    for what, graph in (("rooms", between), ("modules", module_graph(found))):
        groups = circles(graph)
        yield f"Circles between {what}: {len(groups) or 'none'}"
        yield from (f"  {', '.join(group)}" for group in groups)


def main() -> int:
    """Print the report; the exit status is 1 where there are circles or breaches of the order."""
    found = imports(modules())
    print("\n".join(report(found)))
    groups = circles(arrows(found)) + circles(module_graph(found))
    return int(bool(groups or against_order(found)))


if __name__ == "__main__":
    sys.exit(main())
