# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What `make audit` makes of the answers of pip-licenses and pip-audit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LICENCES = [
    {"Name": "torch", "Version": "2.13.0+cpu", "License": "BSD-3-Clause"},
    {"Name": "v2v_ros", "Version": "0.1.0", "License": "Apache-2.0"},
    {"Name": "OpenEXR", "Version": "3.5.3", "License": "UNKNOWN"},
    {"Name": "some-tool", "Version": "1.0", "License": "GPL-3.0-or-later"},
    {"Name": "Another_tool", "Version": "2.0", "License": "GPL-3.0-or-later"},
]
SAFE = {"name": "torch", "version": "2.13.0", "vulns": []}
UNSAFE = {"name": "torch", "version": "2.13.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.14"]}]}
UNKNOWN = {"name": "torch", "skip_reason": "not found"}


class Audit:
    """The program, with stand-ins for the two that it asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        self.program = runpy.run_path(str(ROOT / "scripts" / "audit.py"))
        settings = self.program["main"].__globals__
        self.page = _Page(settings["PAGE"])
        settings.update(TOOLS=folder, PAGE=self.page)
        (folder / "stamp").write_text("\n".join(self.program["TOOL_REQUIREMENTS"]))

    def run(self, licences: list[dict[str, str]], answer: Any) -> int:
        self.says("pip-licenses", json.dumps(licences))
        self.says("pip-audit", answer if isinstance(answer, str) else json.dumps({"dependencies": answer}))
        status: int = self.program["main"]()
        return status

    def says(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        path.chmod(0o755)


class _Page:
    """A file of the project that is not really written."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, ""

    def write_text(self, text: str, encoding: str) -> None:
        self.text = text

    def relative_to(self, folder: Path) -> Path:
        return self.path.relative_to(folder)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    pytest.importorskip("packaging")
    return Audit(tmp_path)


def test_all_is_well(audit: Audit) -> None:
    assert audit.run(LICENCES, [SAFE]) == 0
    assert "| run | BSD-3-Clause | torch |" in audit.page.text
    assert "| offline | BSD-3-Clause | openexr |" in audit.page.text
    assert "| development | GPL-3.0-or-later | another-tool, some-tool |" in audit.page.text


def test_vulnerabilities_are_named(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.run(LICENCES, [UNSAFE]) == 1
    assert "torch 2.13.0: CVE-1, fixed in 2.14" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "Traceback", [UNKNOWN], []])
def test_without_the_database_it_says_so(audit: Audit, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.run(LICENCES, answer) == 2
    assert "NOTHING WAS CHECKED" in capsys.readouterr().out


@pytest.mark.parametrize("licence", ["UNKNOWN", "GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0"])
def test_licences_that_are_not_allowed(audit: Audit, licence: str, capsys: pytest.CaptureFixture[str]) -> None:
    licences = [{"Name": "torch", "Version": "1", "License": licence}, *LICENCES[1:]]
    assert audit.run(licences, [SAFE]) == 1
    assert f"torch: licence {licence}" in capsys.readouterr().out
