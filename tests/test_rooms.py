"""The house has rooms in an order: a module imports from lower rooms only, and within its own
without a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

KENT = Path(__file__).parents[1] / "kent"
ORDER = [
    {"ground"},
    {"text"},
    {"models", "measure"},
    {"change"},
    {"learning"},
    {"runs"},
    {"pages"},
    {"command"},
]
FLOOR = {room: floor for floor, rooms in enumerate(ORDER) for room in rooms}
PLOTS = "kent.pages.plots."
NAMES = {
    path: ".".join(path.relative_to(KENT.parent).with_suffix("").parts)
    for path in sorted(KENT.rglob("*.py"))
}
MODULES = {name: path for path, name in NAMES.items() if path.stem != "__init__"}


def find_room(module: str) -> str:
    """The room of kent.ROOM.MODULE; modules on top are the ground, but for the command line, which
    stands on all."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 else "command" if parts[1] == "__main__" else "ground"


def read_imports(module: str) -> set[str]:
    """Every module a module imports, anywhere in it; `from kent.runs import plans` counts as
    kent.runs.plans."""
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text("utf8"))))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms), f"{module}: relative import"
    named = {f"{node.module}.{name.name}": node.module for node in froms for name in node.names}
    return plain | {name if name in MODULES else module for name, module in named.items()}


IMPORTS = {module: read_imports(module) for module in MODULES}


def test_every_folder_is_a_room():
    assert {find_room(module) for module in MODULES} == FLOOR.keys()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_lower_rooms_and_its_own(module):
    room = find_room(module)
    used = {find_room(name) for name in IMPORTS[module] & MODULES.keys()} - {room}
    assert {name for name in used if FLOOR[name] >= FLOOR[room]} == set()


def test_no_modules_import_each_other_in_a_circle():
    own = {module: IMPORTS[module] & MODULES.keys() for module in MODULES}
    order = [*TopologicalSorter(own).static_order()]  # raises CycleError, naming the circle
    assert all(order.index(used) < order.index(module) for module in own for used in own[module])


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"kent.__main__"}))
def test_only_the_command_line_uses_the_package_as_a_whole(module):
    assert "kent" not in IMPORTS[module]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not name.startswith(PLOTS)))
def test_matplotlib_is_used_by_the_plots_alone(module):
    assert not {name for name in IMPORTS[module] if name.split(".")[0] == "matplotlib"}


@pytest.mark.parametrize("module", MODULES)
def test_no_public_name_equals_a_modules_or_a_rooms(module):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(MODULES[module].read_text("utf8")).body
    public = {
        node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")
    }
    assert not public & {part for name in NAMES.values() for part in name.split(".")}
