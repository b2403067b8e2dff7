"""The picture in the README: each module imports only from those above it, and nothing heavy too early."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import yolo_dropout

PACKAGE = Path(yolo_dropout.__file__).parent
# From the top down, one line per layer; see "How it is built" in the README.
LAYERS = (
    ("errors", "exit_codes", "output"),
    ("files", "arguments", "fields", "score", "embedded", "resources"),
    ("layout", "folds", "sites"),
    ("fold_files",),
    ("training",),
    ("spec",),
    ("plan",),
    ("results",),
    ("records",),
    ("readings",),
    ("executors",),
    ("table",),
    ("summary",),
    ("decision",),
    ("words",),
    ("agreement", "figures"),
    ("report",),
    ("claim", "lock", "looks", "preflight", "study_file"),
    ("same_study",),
    ("collect",),
    ("foreign", "publish"),
    ("study",),
    ("progress", "serve"),
    ("options",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Our modules that a file imports, anywhere in it, except for type checking only."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("yolo_dropout."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "yolo_dropout":
            names |= {alias.name for alias in node.names} - {"__version__"}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("yolo_dropout.")}
    return names


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_above_it(path):
    mine = module_of(path)
    assert mine in DEPTH, f"{mine}: give it a layer"
    for name in imported_modules(path) - {mine}:
        assert DEPTH[name] < DEPTH[mine], f"{mine} must not import {name}"


def modules_after(*words: str) -> set[str]:
    code = f"import sys; {'; '.join(words)}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "ultralytics", "pandas", "matplotlib", "scipy", "numpy", "rich"}


def test_importing_the_package_imports_nothing_heavy():
    assert not HEAVY & modules_after("import yolo_dropout")


def test_help_imports_nothing_heavy():
    help_words = (
        "from yolo_dropout.cli import main\ntry:\n    main(['sweep', '--help'])\nexcept SystemExit:\n    pass\n"
    )
    assert not HEAVY & modules_after(f"exec({help_words!r})")


def test_a_training_module_can_be_imported_without_torch():
    assert not {"torch", "ultralytics"} & modules_after("import yolo_dropout.training", "import yolo_dropout.study")
