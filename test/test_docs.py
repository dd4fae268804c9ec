"""What the documentation says about the sources is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])


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
