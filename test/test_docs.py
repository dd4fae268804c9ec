# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the documentation says about the sources is so."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {".py", ".yaml", ".xml"}
DOCS = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])
SOURCES = sorted((ROOT / "v2v_ros").rglob("*.py"))
RARE = re.compile(r"\b(anew|so[\s#]+many|puts?[\s#]+out|in[\s#]+vain)\b", re.IGNORECASE)
# The text of a field names the value: 'Edge of the cube', 'Number of peaks', 'Whether the hands are left ones'.
NO_NOUN = re.compile(
    r"(About|After|Also|As|At|Before|Beside|Between|By|Called|Carries|Draws|Finds|For|From|Gets|Given?|Gives|Has|Holds|"
    r"How|If|Instead|In|Its?|Keeps?|Let|Makes|Must|Not|Of|Only|On|Opens|Owns|Per|Put|Remove|Returns|Show|So|Such|"
    r"Takes?|That|Their|There|These|They|This|Those|To|Under|Used|What|When|Where|Which|Who|Whose|Why|With|Write)\b"
)


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """Names of all test files and tests."""
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    found = {file.name for file in files}
    for file in files:
        found |= set(re.findall(r"^\s*def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    return found


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_a_page_names_exist(page: Path, tests: set[str]) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`(?:test/)?(?:(test_\w+\.py)(?:::)?)?(test_\w+)?(?:\[[^`]*\])?`", text)
    assert {name for pair in named for name in pair if name} <= tests


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not any((ROOT / place / name).exists() for place in ("", "v2v_ros"))] == []


def test_pages_that_the_code_names_exist() -> None:
    folders = ("v2v_ros", "launch", "config", "scripts", "test")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in PROGRAMS]
    named = {name for path in files for name in re.findall(r"docs/[\w/-]+\.?\w*", path.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name.rstrip(".")).is_file()] == []


def test_what_the_way_of_a_frame_names_is_defined() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "v2v_ros").rglob("*.py"))
    defined = set(re.findall(r"^ *(?:def|class) (\w+)|^(\w+)(?:: [^=]+)? = ", sources, re.MULTILINE))
    known = {name for pair in defined for name in pair}
    named = re.findall(r"`((?:\w+\.)?\w+)`", text.split("## The way of a frame")[1])
    assert len(named) > 30
    assert {part for name in named for part in name.split(".")} - known - {"true", "false"} == set()


def test_every_page_is_in_the_index() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    linked = set(re.findall(r"\]\(([^)]+)\)", text))
    assert {page for page in pages if not page.startswith("decisions/")} - linked == {"README.md"}


def fields_of(docstring: str) -> Iterator[tuple[str, str]]:
    """Names of the fields under Args and Attributes, and the first lines of their texts."""
    for section in re.findall(r"^(?:Args|Attributes):\n((?: .*\n?|\n)+)", docstring, re.MULTILINE):
        yield from re.findall(r"^ {4}(\S[^:\n]*): (.+)", section, re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_of_fields_begin_with_nouns(path: Path) -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, documented)]
    fields = [field for node in nodes for field in fields_of(inspect.cleandoc(ast.get_docstring(node) or ""))]
    assert [f"{name}: {text}" for name, text in fields if NO_NOUN.match(text)] == []


def test_the_fields_of_a_docstring_are_found() -> None:
    text = """Do a thing.

    Args:
        edge: Of the cubes, metres; this text
            has two lines: it goes on here.
        device, runtime: What runs it.

    Returns:
        Of no interest: a result.
    """
    assert [*fields_of(inspect.cleandoc(text))] == [
        ("edge", "Of the cubes, metres; this text"),
        ("device, runtime", "What runs it."),
    ]


@pytest.mark.parametrize("path", [*SOURCES, *DOCS], ids=lambda path: str(path.relative_to(ROOT)))
def test_rare_phrases_do_not_occur(path: Path) -> None:
    assert RARE.findall(path.read_text(encoding="utf-8")) == []
