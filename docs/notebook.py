"""Run the notebook of the tutorials in an empty folder, cell by cell, without Jupyter.

python docs/notebook.py            run it and store what its cells print
python docs/notebook.py --check    run it and exit with 1 if a cell prints something else than is stored
"""

from __future__ import annotations

import ast
import io
import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "tutorials" / "read_the_shards.ipynb"


def run_cell(source: str, namespace: dict[str, Any]) -> str:
    """Run one cell and return what it prints. As in Jupyter, the value of a last expression is printed too."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


def run_notebook(notebook: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return every code cell with what it prints. The working directory is a new folder while it runs."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
            return [(cell, run_cell("".join(cell["source"]), namespace)) for cell in cells]
        finally:
            os.chdir(before)


def main() -> int:
    """Run the notebook; store or compare what it prints."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    stored = json.dumps(notebook)
    for cell, printed in run_notebook(notebook):
        lines = printed.splitlines(keepends=True)
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []
    if "--check" in sys.argv:
        different = json.dumps(notebook) != stored
        if different:
            print(f"{NOTEBOOK.name}: a cell prints something else than is stored: python docs/notebook.py")
        return int(different)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
