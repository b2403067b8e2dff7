"""Nothing heavy is imported before it is needed: import-linter holds the layers, this holds the time to start."""

from __future__ import annotations

import subprocess
import sys


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
    assert not {"torch", "ultralytics"} & modules_after(
        "import yolo_dropout.training", "import yolo_dropout.sites", "import yolo_dropout.study"
    )
