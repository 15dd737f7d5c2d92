"""Checks of the whole tree that no linter makes. Prints what is wrong, a line each.

Run by `scripts/lint` with the files that git knows.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INTEGRATION = Path("custom_components/solarrally")
DOMAIN = Path("billing_service/domain")

# Files that pin to a place as well as to a version: they work on one machine's network only.
LOCK_FILE = re.compile(r"(^|/)(uv\.lock|pylock.*\.toml|poetry\.lock|Pipfile\.lock)$")
# Hosts of package registries, written so that this file does not name one.
REGISTRIES = re.compile(
    r"(pypi|pythonhosted|npmjs|yarnpkg|npmmirror)[.](org|com)|deb[.]debian[.]org|\bjsdelivr\b|\bunpkg\b",
    re.IGNORECASE,
)
# Where an address of this machine would give away or break something.
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(root|home/[a-z]+|Users/[A-Za-z]+)/")
# A placeholder in a translated sentence.
PLACEHOLDER = re.compile(r"{(\w+)}")


def tracked_files() -> list[Path]:
    """Return what git knows or would add, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [
        Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()
    ]


def check_texts(files: list[Path]) -> Iterator[str]:
    """No lock file, and no registry's host or machine's path in a text."""
    for file in files:
        if LOCK_FILE.search(file.as_posix()):
            yield f"{file}: a lock file names a registry; requirements/ pins without"
        try:
            text = (ROOT / file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if REGISTRIES.search(line):
                yield f"{file}:{number}: names a package registry's host"
            if MACHINE_PATH.search(line):
                yield f"{file}:{number}: names a path of one machine"
        if file.name == "package-lock.json" and '"resolved"' in text:
            yield f'{file}: "resolved" names a registry\'s host'


def check_json(files: list[Path]) -> Iterator[str]:
    """Each JSON file is JSON, but for the golden messages that must not be."""
    for file in files:
        if file.suffix != ".json" or file.is_relative_to("tests/contract/golden"):
            continue
        try:
            json.loads((ROOT / file).read_text(encoding="utf-8"))
        except ValueError as error:
            yield f"{file}: {error}"


def check_domain(files: list[Path]) -> Iterator[str]:
    """The domain imports the standard library and its siblings, nothing else."""
    for file in files:
        if file.suffix != ".py" or not file.is_relative_to(DOMAIN):
            continue
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=aliases):
                    names = [it.name for it in aliases]
                case ast.ImportFrom(module=str(name), level=0):
                    names = [name]
                case _:
                    continue
            for name in names:
                if name.startswith("billing_service.domain"):
                    continue
                if name.partition(".")[0] not in sys.stdlib_module_names:
                    yield f"{file}:{node.lineno}: the domain imports {name}"


def check_integration(files: list[Path]) -> Iterator[str]:
    """What hassfest asks of a custom integration, as far as files show it.

    The manifest is complete; strings and translations say the same things with the same
    placeholders; icons are for what exists.
    """
    if INTEGRATION / "manifest.json" not in files:
        return
    manifest = _load(INTEGRATION / "manifest.json")
    needed = {"domain", "name", "codeowners", "documentation", "iot_class", "version"}
    for key in sorted(
        (needed | {"integration_type", "issue_tracker"}) - manifest.keys()
    ):
        yield f"{INTEGRATION}/manifest.json: {key} is missing"
    keys = list(manifest)
    if keys != ["domain", "name", *sorted(set(keys) - {"domain", "name"})]:
        yield f"{INTEGRATION}/manifest.json: keys are domain, name, then by alphabet"
    if manifest.get("domain") != INTEGRATION.name:
        yield f"{INTEGRATION}/manifest.json: domain is not {INTEGRATION.name}"

    strings = dict(_leaves(_load(INTEGRATION / "strings.json")))
    for file in files:
        if file.parent != INTEGRATION / "translations":
            continue
        translated = dict(_leaves(_load(file)))
        for key in sorted(strings.keys() - translated.keys()):
            yield f"{file}: {key} is missing"
        for key in sorted(translated.keys() - strings.keys()):
            yield f"{file}: {key} is not in strings.json"
        for key in sorted(strings.keys() & translated.keys()):
            if "[%key:" in strings[key]:
                continue
            if set(PLACEHOLDER.findall(strings[key])) != set(
                PLACEHOLDER.findall(translated[key])
            ):
                yield f"{file}: {key} has other placeholders than strings.json"


def _load(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / file).read_text(encoding="utf-8"))
    return content


def _leaves(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def main() -> int:
    """Print every finding; return 1 when there is one."""
    files = tracked_files()
    findings = [
        *check_texts(files),
        *check_json(files),
        *check_domain(files),
        *check_integration(files),
    ]
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
