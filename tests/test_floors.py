"""The house has floors: a module imports from lower floors only, and matplotlib has three users."""

import ast
from pathlib import Path

import pytest

KENT = Path(__file__).parents[1] / "kent"
FLOORS = [
    {"errors", "files", "hub", "paper", "precision", "settings", "steps", "suites", "templates", "texts", "tokens"},
    {"attention", "blocks", "entropy", "memory", "records", "regressions", "rotations", "world"},
    {"copies", "corpora", "folders", "keeping", "knowledge", "profiles", "streaming"},
    {"injection", "measurement", "pretraining", "rescaling", "temperature"},
    {"checkpoints", "downstream", "familiarity", "gradients", "probes", "resuscitation"},
    {"evaluations", "outcomes", "recipes"},
    {"learning"},
    {"runs"},
    {"execution", "plans"},
    {"learning_plans", "seeds"},
    {"contents", "evidence"},
    {"pages", "plots", "summaries"},
    {"learning_plots"},
    {"resuscitation_plots"},
    {"__main__"},
]
FLOOR = {module: number for number, modules in enumerate(FLOORS) for module in modules}
MODULES = sorted(path.stem for path in KENT.glob("*.py") if path.stem != "__init__")


def tree(module: str) -> ast.Module:
    return ast.parse((KENT / f"{module}.py").read_text("utf8"))


def imported(module: str) -> set[str]:
    """Every module a module imports, anywhere in it; `from kent import runs` counts as kent.runs."""
    nodes = list(ast.walk(tree(module)))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms), f"{module}: relative import"
    inside = {f"kent.{name.name}" for node in froms if node.module == "kent" for name in node.names}
    return plain | {node.module for node in froms if node.module != "kent"} | inside


def test_every_module_has_one_floor_and_every_floor_is_inhabited():
    assert sum(map(len, FLOORS)) == len(FLOOR)
    assert set(FLOOR) == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_lower_floors_only(module):
    below = {name for name, floor in FLOOR.items() if floor < FLOOR[module]}
    neighbours = {name.split(".")[1] for name in imported(module) if name.startswith("kent.")}
    assert neighbours <= below, f"{module} (floor {FLOOR[module]}) imports {sorted(neighbours - below)}"


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"__main__"}))
def test_only_the_command_line_uses_the_package_as_a_whole(module):
    assert "kent" not in imported(module)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"plots", "learning_plots", "resuscitation_plots"}))
def test_matplotlib_is_used_by_the_plots_alone(module):
    assert not {name for name in imported(module) if name.split(".")[0] == "matplotlib"}


@pytest.mark.parametrize("module", MODULES)
def test_no_public_name_equals_a_modules(module):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = {node.name for node in tree(module).body if isinstance(node, kinds) and not node.name.startswith("_")}
    assert not public & set(MODULES)
