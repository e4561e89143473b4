"""The programs a benchmark needs: compiled, unpacked or found, and kept under ``.cache/bench``."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.processes import BenchError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / ".cache" / "bench"
DEBIAN = CACHE / "debian"
LIBRARIES = DEBIAN / "usr" / "lib" / f"{os.uname().machine}-linux-gnu"


@dataclass
class Tools:
    """Paths of what was found; None for what the machine cannot have, with the reason in `notes`."""

    stub: Path
    sclient: Path
    wrk: Path | None
    nginx: Path | None
    goproxy: Path | None
    notes: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What programs unpacked from Debian's packages need to find their libraries."""
        return {"LD_LIBRARY_PATH": str(LIBRARIES)} if LIBRARIES.exists() else {}


def find_tools() -> Tools:
    """Build and find everything. Raises `BenchError` when there is no C compiler."""
    notes: list[str] = []
    stub, sclient = compile_native("stub"), compile_native("sclient")
    wrk = _from_debian("wrk", ["wrk", "libluajit-5.1-2", "libluajit-5.1-common"], "-v", notes)
    nginx = _from_debian("nginx", ["nginx"], "-v", notes)
    if wrk is None:
        notes.append("small requests are sent by the stream client instead of wrk")
    return Tools(stub, sclient, wrk, nginx, _build_go(notes), notes)


def _is_fresh(target: Path, *sources: Path) -> bool:
    return target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources)


def compile_native(name: str) -> Path:
    """The program made from ``native/NAME.c``. Raises `BenchError` when there is no C compiler."""
    CACHE.mkdir(parents=True, exist_ok=True)
    source, target = HERE / "native" / f"{name}.c", CACHE / name
    if not _is_fresh(target, source):
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise BenchError("no C compiler found; the benchmark needs one (Debian: apt-get install gcc libc6-dev)")
        fresh = target.with_suffix(f".{os.getpid()}")  # another run may be using the old one
        command = [compiler, "-O2", "-Wall", "-o", str(fresh), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{source.name} does not compile: {done.stderr.strip()[-500:]}")
        fresh.replace(target)
    return target


def _build_go(notes: list[str]) -> Path | None:
    sources, target = HERE / "goproxy", CACHE / "goproxy"
    if _is_fresh(target, sources / "main.go"):
        return target
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        notes.append("go left out: no Go compiler found")
        return None
    try:
        subprocess.run([go, "build", "-o", str(target), "."], cwd=sources, capture_output=True, timeout=180, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        notes.append(f"go left out: it does not build ({error})")
        return None
    return target


def _from_debian(name: str, packages: list[str], probe: str, notes: list[str]) -> Path | None:
    """*name* from the PATH, or unpacked (not installed: no service is started) from Debian's packages."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found:
        return Path(found)
    candidates = [DEBIAN / "usr" / place / name for place in ("bin", "sbin")]
    if not any(path.exists() for path in candidates):
        _unpack(packages)
    for path in candidates:
        if path.exists() and _works(path, probe):
            return path
    notes.append(f"{name} left out: not installed, and not to be had from Debian (apt-get install {name})")
    return None


def _works(program: Path, probe: str) -> bool:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)}
    done = subprocess.run([program, probe], capture_output=True, env=environment, check=False, timeout=10)
    return done.returncode in (0, 1)  # wrk -v prints its version and ends with 1


def _unpack(packages: list[str]) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return
    DEBIAN.mkdir(parents=True, exist_ok=True)
    patience = ["-o", "Acquire::http::Timeout=5", "-o", "Acquire::Retries=0"]
    download = ["apt-get", *patience, "download", *packages]
    if not _quietly(download) and os.geteuid() == 0 and _quietly(["apt-get", *patience, "update"]):
        _quietly(download)
    for archive in DEBIAN.glob("*.deb"):
        _quietly(["dpkg", "-x", str(archive), str(DEBIAN)])
        archive.unlink()


def _quietly(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, cwd=DEBIAN, capture_output=True, check=False, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False
