#!/usr/bin/env python3
# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Licences and known vulnerabilities of all that `make setup` installs.

Writes the licences to docs/dependencies.md and says what is not allowed or not safe. The two programs that know about
these things, pip-licenses and pip-audit, get an environment of their own: that of the project stays as it is.

Exit status: 0 all is well, 1 a licence or a vulnerability is a problem, 2 the vulnerabilities could not be looked up.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".colcon" / "audit"
TOOL_REQUIREMENTS = ("pip-audit==2.10.1", "pip-licenses==5.5.5")
PAGE = ROOT / "docs" / "dependencies.md"

# Licences that ask more of those who pass v2v_ros on than to keep a notice. Tools for development may have them.
COPYLEFT = re.compile(r"\b(A|L)?GPL|General Public License|SSPL|Commons Clause|NonCommercial", re.IGNORECASE)
# Wheels whose metadata lack a licence: it is the one in their licence file.
STATED_ELSEWHERE = {
    "openexr": "BSD-3-Clause",
    "ros-fastcdr": "Apache-2.0",
    "ros-fastrtps": "Apache-2.0",
    "setuptools": "MIT",
}

HEAD = """# Dependencies and their licences

Written by `make audit`, from what is installed; do not edit. It also looks the exact versions up in the database of
known vulnerabilities, which needs the network, and fails when there is one or when it could not look.

| part | what asks for it |
|---|---|
| run | v2v_ros itself |
| {extras} | the extras of that name: `pip install '.[offline]'` |
| ROS | `make setup` where no ROS installation is sourced; a ROS installation brings its own |
| development | building, linting and testing |

A package is listed under the first part that needs it. Only tools for development may have a licence of the GPL's kind.
`constraints.txt` pins their versions.

| part | licence | packages |
|---|---|---|
"""


def main() -> int:
    make_tools()
    found, wanted = licences(), asked_for()
    parts = parts_by_name(found, wanted)
    order = [*wanted, "ROS", "development"]
    head = HEAD.format(extras=", ".join(list(wanted)[1:]))
    PAGE.write_text(head + "".join(rows(found, parts, order)), encoding="utf-8")
    bad = [
        f"{name}: licence {licence}"
        for name, (_, licence) in sorted(found.items())
        if licence == "UNKNOWN" or (parts[name] != "development" and COPYLEFT.search(licence))
    ]
    print(f"licences: {len(found)} packages, {len(bad)} problems; {PAGE.relative_to(ROOT)}")
    print("".join(f"  {line}\n" for line in bad), end="")
    looked_up, vulnerable = vulnerabilities(found, [name for name in found if parts[name] != "ROS"])
    if looked_up:
        print(f"vulnerabilities: {looked_up} packages looked up, {len(vulnerable)} known vulnerabilities")
        print("".join(f"  {line}\n" for line in vulnerable), end="")
    else:
        print("vulnerabilities: NOTHING WAS CHECKED, the database does not answer: run it with access to the network")
    if bad or vulnerable:
        return 1
    return 0 if looked_up else 2


def make_tools() -> None:
    stamp, wanted = TOOLS / "stamp", "\n".join(TOOL_REQUIREMENTS)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    venv.create(TOOLS, clear=True, with_pip=True)
    pip = [str(TOOLS / "bin" / "python3"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if subprocess.run([*pip, *TOOL_REQUIREMENTS], check=False).returncode:
        sys.exit("audit: pip-licenses and pip-audit could not be installed, pip says why above; nothing was checked")
    stamp.write_text(wanted)


def licences() -> dict[str, tuple[str, str]]:
    """Version and licence of every installed package, by its canonical name."""
    command = [
        str(TOOLS / "bin" / "pip-licenses"),
        f"--python={VENV / 'bin' / 'python3'}",
        "--format=json",
        "--with-system",
    ]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found: dict[str, tuple[str, str]] = {
        canonicalize_name(one["Name"]): (one["Version"], one["License"]) for one in listed
    }
    found.pop("v2v-ros", None)
    stated = STATED_ELSEWHERE | ros_licences()
    for name, (version, licence) in found.items():
        if licence == "UNKNOWN":
            plain = re.sub(r"^ros-(jazzy-)?", "", name)
            found[name] = (version, stated.get(name, stated.get(plain, licence)))
    return found


def ros_licences() -> dict[str, str]:
    """Of the ROS packages in the environment: they state it in package.xml."""
    found: dict[str, str] = {}
    for path in (VENV / "share").glob("*/package.xml"):
        package = ElementTree.parse(path).getroot()
        names = [" ".join(str(licence.text).split()) for licence in package.findall("license")]
        found[canonicalize_name(path.parent.name)] = ", ".join(names)
    return found


def asked_for() -> dict[str, list[str]]:
    """Return what v2v_ros itself and its extras require, but that for development."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        from pip._vendor import tomli as tomllib  # type: ignore[no-redef]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {extra: names for extra, names in project["optional-dependencies"].items() if extra != "dev"}
    return {"run": project["dependencies"], **extras}


def parts_by_name(found: Iterable[str], wanted: dict[str, list[str]]) -> dict[str, str]:
    """For every package, the first part that needs it."""
    parts: dict[str, str] = {}
    for part, requirements in wanted.items():
        for name in closure(requirements):
            parts.setdefault(name, part)
    ros = ros_licences()
    for name in found:
        is_ros = name.startswith("ros-") or name in ros
        parts.setdefault(name, "ROS" if is_ros else "development")
    return parts


def closure(requirements: Iterable[str]) -> set[str]:
    """Return the names of what these requirements install, in this environment."""
    found: set[str] = set()
    left = [Requirement(text) for text in requirements]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            needed = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        left += [Requirement(text) for text in needed]
    return found


def rows(found: dict[str, tuple[str, str]], parts: dict[str, str], order: list[str]) -> Iterable[str]:
    """Yield the packages of each part, by licence."""
    groups: dict[tuple[int, str], set[str]] = {}
    for name in sorted(found):
        # Wheels of a ROS package come under up to three names.
        plain = re.sub(r"^ros-(jazzy-)?", "", name) if parts[name] == "ROS" else name
        groups.setdefault((order.index(parts[name]), found[name][1]), set()).add(plain)
    for part, licence in sorted(groups):
        yield f"| {order[part]} | {licence.replace('|', '/')} | {', '.join(sorted(groups[part, licence]))} |\n"


def vulnerabilities(found: dict[str, tuple[str, str]], names: Iterable[str]) -> tuple[int, list[str]]:
    """How many packages the database knows, and what it says against them."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        # Without the local part of a version, such as +cpu, which no database has.
        listed.write_text("".join(f"{name}=={found[name][0].split('+')[0]}\n" for name in names))
        command = [
            str(TOOLS / "bin" / "pip-audit"),
            "--requirement",
            str(listed),
            "--no-deps",
            "--disable-pip",
            "--format=json",
        ]
        done = subprocess.run([*command, "--progress-spinner=off"], check=False, capture_output=True, text=True)
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):  # it ends with a traceback where there is no network
        return 0, []
    known = [one for one in answers if "skip_reason" not in one]
    return len(known), [
        f"{one['name']} {one['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'no version'}"
        for one in known
        for each in one["vulns"]
    ]


if __name__ == "__main__":
    sys.exit(main())
