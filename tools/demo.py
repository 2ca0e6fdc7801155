"""`make demo`: record a failing session against the simulated API, explain it, replay it.

Runs the commands that it prints. The traces stay in recordings/demo until the next time.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WSPROXY = [sys.executable, "-m", "wsproxy"]
# The documented rule is 10 s without audio; a demo need not wait that long.
SIMULATE = ["simulate", "--listen", "127.0.0.1:0", "--silence", "3"]


def program(name: str) -> str:
    """A program of this environment, as it can be typed in the project's folder."""
    path = Path(sys.executable).with_name(name)
    on_path = shutil.which(name)
    if on_path is not None and Path(on_path) == path:
        return name
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def shown(args: list[str]) -> str:
    return shlex.join([program("wsproxy"), *args])


def run(*args: str, expect: int | None = 0) -> None:
    """Run a wsproxy command in front of the user."""
    print(f"\n$ {shown(list(args))}", flush=True)
    status = subprocess.run([*WSPROXY, *args], check=False).returncode
    if expect is not None and status != expect:
        sys.exit(f"demo: exit status {status}, expected {expect}")


def start(*args: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with the URL that it listens on."""
    print(f"\n$ {shown(list(args))} &", flush=True)
    process = subprocess.Popen([*WSPROXY, *args], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.startswith("listening on "):
            return process, line.split()[-1]
    sys.exit("demo: the server did not start")


def client(url: str, *args: str) -> None:
    """Run the app with a wsproxy command before it."""
    print(f"\n$ {shown(list(args))} -- {program('python')} tools/demo_client.py {url}", flush=True)
    app = [sys.executable, str(HERE / "demo_client.py"), url]
    subprocess.run([*WSPROXY, *args, "--", *app], check=True)


def main() -> None:
    os.chdir(ROOT)
    folder = "recordings/demo"
    shutil.rmtree(folder, ignore_errors=True)
    print("# 1. A simulated speech API, and an app that stalls, recorded")
    api, url = start(*SIMULATE)
    try:
        client(url, "run", "--out", folder)
        trace = str(next(Path(folder).glob("*.wstrace")))

        print("\n# 2. What was recorded, and why it failed")
        run("list", folder)
        run("explain", trace)

        print("\n# 3. Replayed as the client: does the API fail again?")
        run("replay", "client", trace, "--to", url, "--out", f"{folder}/replayed")
    finally:
        api.terminate()
        api.wait()

    print("\n# 4. Replayed as the server, with no API there: does the app meet the failure again?")
    client(url, "replay", "server", trace, "--out", f"{folder}/replayed")
    print("\n# 5. A page to look at and to listen to")
    page = f"{folder}/report.html"
    run("report", trace, "--out", page)
    print(f"\n# The traces are in {folder}. Open the page in a browser: {page}")


if __name__ == "__main__":
    main()
