"""What each DAG file says, read as text: a declaration, and nothing that runs while parsing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dags.harness import DAGS, ROOT

FILES = sorted(DAGS.glob("*.py"))
SECTIONS = ("Grain", "Source", "Late data", "Triage")
MOST_LINES = 60

MAY_IMPORT = ("__future__", "airflow.providers", "airflow.timetables", "datetime", "energy_ingest", "pendulum")
"""`airflow.models`, `airflow.sdk` and the like are missing here: each exists on one of the two majors only."""

RUNS_WHILE_PARSING = (
    *(ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.Try, ast.If, ast.IfExp, ast.Match, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
)
ASKS_THE_WORLD = re.compile(
    r"\b(open|print|eval|exec|__import__|getattr|globals|(\w+\.)*(now|utcnow|today|getenv|get_connection)|Variable\.\w+)$"
)
SQL = re.compile(
    r"\b(select\b.+\bfrom|insert\s+into|update\b.+\bset|delete\s+from|merge\s+into|create\s+table)\b", re.I | re.S
)
URL = re.compile(r"\bhttps?://")


def problems(source: str) -> list[str]:
    """What a DAG file does that a declaration must not."""
    tree = ast.parse(source)
    docstring = tree.body[0].value if ast.get_docstring(tree) else None
    return [text for node in ast.walk(tree) if node is not docstring for text in _judge(node)]


def _judge(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [f"imports {name.name}" for name in names if not name.name.startswith(MAY_IMPORT)]
        case ast.ImportFrom(module=module) if not (module or "").startswith(MAY_IMPORT):
            return [f"imports from {module}"]
        case ast.Call(func=function) if ASKS_THE_WORLD.match(ast.unparse(function)):
            return [f"calls {ast.unparse(function)}"]
        case ast.Attribute(attr="environ"):
            return ["reads os.environ"]
        case ast.With(items=items) if not ast.unparse(items[0].context_expr).startswith(("DAG(", "TaskGroup(")):
            return [f"opens {ast.unparse(items[0].context_expr)}"]
        case ast.Constant(value=str(text)) if SQL.search(text):
            return ["holds SQL"]
        case ast.Constant(value=str(text)) if URL.search(text):
            return ["holds an address"]
        case ast.keyword(arg="schedule", value=ast.Constant(value=str(text))):
            return [f"schedules by the string {text!r}"]
    return [f"has {type(node).__name__}"] if isinstance(node, RUNS_WHILE_PARSING) else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_is_a_declaration(path: Path):
    assert problems(path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_fits_on_a_page_and_says_what_it_is(path: Path):
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(text.splitlines()) <= MOST_LINES
    assert docstring.startswith("### ")
    assert re.findall(r"^\*\*(.+?)\*\* \S", docstring, re.M) == list(SECTIONS)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("import requests", "imports requests"),
        ("import os", "imports os"),
        ("from airflow.models import Variable", "imports from airflow.models"),
        ("from airflow.sdk import DAG", "imports from airflow.sdk"),
        ("from .common import x", "imports from common"),
        ("x = Variable.get('x')", "calls Variable.get"),
        ("x = BaseHook.get_connection('x')", "calls BaseHook.get_connection"),
        ("x = datetime.now()", "calls datetime.now"),
        ("x = pendulum.today('UTC')", "calls pendulum.today"),
        ("x = dt.datetime.utcnow()", "calls dt.datetime.utcnow"),
        ("x = open('x')", "calls open"),
        ("x = os.environ['x']", "reads os.environ"),
        ("x = os.getenv('x')", "calls os.getenv"),
        ("x = 'SELECT *\\nFROM energy.x'", "holds SQL"),
        ("x = f'insert into {x}'", "holds SQL"),
        ("x = 'https://data.elexon.co.uk'", "holds an address"),
        ("for x in y: pass", "has For"),
        ("while x: pass", "has While"),
        ("x = [x for x in y]", "has ListComp"),
        ("x = list(x for x in y)", "has GeneratorExp"),
        ("try: pass\nexcept x: pass", "has Try"),
        ("if x: pass", "has If"),
        ("def x(): pass", "has FunctionDef"),
        ("with x: pass", "opens x"),
        ("DAG('x', schedule='@daily')", "schedules by the string '@daily'"),
    ],
)
def test_the_rules_see(line: str, problem: str):
    docstring = '"""Docstring: select it from https://example.org"""'
    assert problems(docstring) == []
    assert problem in problems(f"{docstring}\n{line}")


def test_names_that_airflow_moved_or_removed_are_not_used():
    check = [sys.executable, "-m", "ruff", "check", "--select", "AIR", "--no-cache", "dags", "plugins"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
