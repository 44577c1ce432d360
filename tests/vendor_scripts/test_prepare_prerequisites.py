"""What a machine lacks is told all at once, each with a command that helps, before anything is made."""

import sys
from pathlib import Path

import pytest
from preparing import CANDLE_FILES, PARAPHYM_FILES, make_repository, prepare, tools

MAC = 'case $1 in -m) echo "${MACHINE:-arm64}" ;; *) echo Darwin ;; esac'
"""A `uname` that answers as macOS does."""
PYTHON = f'exec "{sys.executable}" "$@"'
OLD_PYTHON = 'case $2 in *platform*) printf " here is 3.7.1," ;; *) exit 1 ;; esac'


def remedies(err: str) -> list[tuple[str, str]]:
    """The (missing thing, remedy) pairs of a message."""
    lines = err.splitlines()
    return [(line[4:], lines[at + 1].strip()) for at, line in enumerate(lines) if line.startswith("  - ")]


@pytest.mark.parametrize("runtime", ["candle", "paraphym"])
def test_all_that_a_checkout_needs_is_told_at_once(runtime: str, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", scripted={"apt-get": "exit 1"})
    done = prepare(runtime, "file:///nowhere", "--device=cuda", home=tmp_path, env={"PATH": path, "CUDA_HOME": ""})
    assert (done.code, done.out) == (3, "")
    told = remedies(done.err)
    assert [what.split(",")[0] for what, _ in told] == ["git", "cargo", "a C++ compiler", "nvcc"]
    assert told[0][1] == "sudo apt-get install git"
    assert told[2][1] == "sudo apt-get install build-essential"
    assert not (tmp_path / "cache").exists()


FULL = "echo Filesystem 1024-blocks Used Available Capacity Mounted; echo /dev/x 100 1 20480 1% /"
"""A `df` that finds 20 MiB free on any disk."""


@pytest.mark.parametrize(
    ("script", "ask", "told"),
    [
        ("candle", ("file:///nowhere", "--device=cpu"), ["for the checkout: it takes at least 50 MiB"]),
        ("paraphym", ("file:///nowhere", "--device=cpu"), ["for the checkout: it takes at least 50 MiB"]),
        (
            "candle",
            ("file:///nowhere", "--device=cpu", "--build"),
            ["for the checkout: it takes", "to compile it in: it takes at least 512 MiB"],
        ),
        ("python-env", ("mlx-lm", "--device=cpu"), ["for the environment: it takes at least 300 MiB"]),
        (
            "python-env",
            ("llama-cpp-python", "--device=cpu"),
            ["for the environment: it takes at least 150 MiB", "to compile in: it takes at least 100 MiB"],
        ),
    ],
)
def test_room_on_the_disk_is_asked_for_before_anything_is_made(
    script: str, ask: tuple[str, ...], told: list[str], tmp_path: Path
) -> None:
    programs = {"cargo": "exit 1", "c++": "exit 1", "getconf": "exit 1", "python3": PYTHON, "df": FULL}
    path = tools(tmp_path / "bin", ["git"], programs)
    done = prepare(script, *ask, home=tmp_path, env={"PATH": path})
    assert done.code == 3, done.err
    found = [what for what, _ in remedies(done.err) if what.startswith("room on the disk of ")]
    assert [said in what for said, what in zip(told, found, strict=True)] == [True] * len(told)
    assert all("and 20 MiB are free" in what for what in found)
    assert not (tmp_path / "cache").exists()


def test_a_checkout_that_is_there_and_compiled_needs_no_room(tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", CANDLE_FILES)
    (tree / "target").mkdir()
    path = tools(tmp_path / "bin", ["git"], {"c++": "exit 1", "df": FULL})
    done = prepare("candle", tree, "--device=cpu", "--build", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    assert [what.split(",")[0] for what, _ in remedies(done.err)] == ["cargo"]


@pytest.mark.parametrize(
    ("manager", "remedy"),
    [
        ("dnf", "sudo dnf install gcc-c++"),
        ("pacman", "sudo pacman -S base-devel"),
        ("sh", "install build-essential with this system's package manager"),
    ],
)
def test_remedies_speak_the_systems_own_package_manager(manager: str, remedy: str, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", ["git"], {manager: "exit 1", "cargo": "exit 1"})
    done = prepare("candle", "file:///nowhere", "--device=cpu", home=tmp_path, env={"PATH": path})
    assert [told for _, told in remedies(done.err)] == [remedy]


def test_an_nvcc_that_is_off_the_path_is_found(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", ["git"], {"cargo": "exit 1", "c++": "exit 1"})
    (tmp_path / "cuda").mkdir()
    tools(tmp_path / "cuda" / "bin", scripted={"nvcc": "exit 0"})
    env = {"PATH": path, "CUDA_HOME": str(tmp_path / "cuda")}
    done = prepare("candle", "file:///nowhere", "--device=cuda", home=tmp_path, env=env)
    assert done.code == 3
    assert remedies(done.err) == [
        ("nvcc on PATH, to compile for CUDA", f"export PATH={tmp_path}/cuda/bin:$PATH"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "channel"),
    [
        ("rust-toolchain.toml", '[toolchain]\n# "stable"\nchannel = "nightly"\n', "nightly"),
        ("rust-toolchain.toml", "[toolchain]\nchannel = 'nightly-2025-06-01' # pinned\n", "nightly-2025-06-01"),
        ("rust-toolchain", "1.9\n", "1.9"),
    ],
)
def test_the_toolchain_that_a_checkout_names_must_be_there(name: str, text: str, channel: str, tmp_path: Path) -> None:
    """Others whose names begin alike don't stand in for it."""
    tree = make_repository(tmp_path / "tree", {**PARAPHYM_FILES, name: text})
    installed = "nightly-2025-01-01-x86_64-unknown-linux-gnu\n1.95.0-x86_64-unknown-linux-gnu (default)\n"
    rustup = {"rustup": f"printf '{installed}'", "cargo": "exit 1", "c++": "exit 1"}
    path = tools(tmp_path / "bin", ["git"], rustup)
    done = prepare("paraphym", tree, "--device=cpu", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    assert remedies(done.err) == [
        (f"the Rust toolchain {channel}, which {tree}/{name} asks for", f"rustup toolchain install {channel}")
    ]


def test_the_toolchain_of_a_url_is_looked_for_once_it_is_cloned(tmp_path: Path) -> None:
    source = make_repository(tmp_path / "s", {**CANDLE_FILES, "rust-toolchain": "nightly-1999-01-01"})
    path = tools(tmp_path / "bin", ["git"], {"cargo": "exit 1", "c++": "exit 1"})
    done = prepare("candle", source.as_uri(), "--device=cpu", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    [(what, remedy)] = remedies(done.err)
    assert what.startswith("rustup, since ")
    assert remedy.endswith("rustup toolchain install nightly-1999-01-01")


def test_an_installed_toolchain_is_enough(tmp_path: Path) -> None:
    tree = make_repository(tmp_path / "tree", {**PARAPHYM_FILES, "rust-toolchain": "nightly"})
    scripted = {
        "rustup": "echo nightly-x86_64-unknown-linux-gnu",
        "cargo": f"[ $1 = fetch ] || echo {tree}/Cargo.toml",
        "c++": "exit 1",
    }
    done = prepare(
        "paraphym",
        tree,
        "--device=cpu",
        home=tmp_path,
        env={"PATH": tools(tmp_path / "bin", ["git"], scripted)},
    )
    assert done.code == 0, done.err


def test_cmake_is_asked_for_where_the_lock_file_has_a_crate_that_calls_it(tmp_path: Path) -> None:
    lock = PARAPHYM_FILES["Cargo.lock"] + '\n[[package]]\nname = "cmake"\nversion = "0.1.54"\n'
    tree = make_repository(tmp_path / "tree", {**PARAPHYM_FILES, "Cargo.lock": lock})
    path = tools(tmp_path / "bin", ["git"], {"cargo": "exit 1", "c++": "exit 1"})
    done = prepare("paraphym", tree, "--device=cpu", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    assert [what.split(",")[0] for what, _ in remedies(done.err)] == ["cmake"]


def test_a_dry_run_shows_the_commands_also_where_something_is_missing(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", ["git"])
    done = prepare("candle", "file:///nowhere", "--device=metal", "--dry-run", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    assert "Metal" in done.err
    assert "would run: git clone" in done.err
    assert done.tables["candle"]["features"] == ["metal"]


@pytest.mark.parametrize("runtime", ["candle", "paraphym"])
def test_a_mac_takes_metal_and_asks_for_xcode(runtime: str, tmp_path: Path) -> None:
    scripted = {"uname": MAC, "xcode-select": "exit 2", "cargo": "exit 1", "brew": "exit 1"}
    path = tools(tmp_path / "bin", ["git"], scripted)
    tree = make_repository(tmp_path / "tree", CANDLE_FILES if runtime == "candle" else PARAPHYM_FILES)
    done = prepare(runtime, tree, "--dry-run", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    assert [remedy for _, remedy in remedies(done.err)] == ["xcode-select --install"]
    assert done.tables[runtime]["features"] == ["metal"]
    assert "default_features" not in done.tables[runtime]


@pytest.mark.parametrize(("runtime", "oldest"), [("llama-cpp-python", "3.9"), ("mlx-lm", "3.10")])
def test_a_python_that_is_too_old_is_named_with_what_is_needed(runtime: str, oldest: str, tmp_path: Path) -> None:
    scripted = {"python3": OLD_PYTHON, "apt-get": "exit 1"}
    path = tools(tmp_path / "bin", scripted=scripted)
    done = prepare("python-env", runtime, "--device=cpu", home=tmp_path, env={"PATH": path})
    assert done.code == 3
    (what, remedy), (compiler, _) = remedies(done.err)
    assert what.startswith(f"Python {oldest} or newer")
    assert "here is 3.7.1" in what
    assert remedy == "sudo apt-get install python3 python3-venv, or name one with --python"
    assert compiler.startswith("a C++ compiler")


def test_a_newer_python_beside_an_old_one_is_taken(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", scripted={"python3": OLD_PYTHON, "python3.12": PYTHON, "c++": "exit 1"})
    done = prepare("python-env", "mlx-lm", "--device=cpu", "--dry-run", home=tmp_path, env={"PATH": path})
    assert done.code == 0, done.err
    assert f"would run: {path}/python3.12 -m venv" in done.err


def test_a_python_whose_path_has_a_space_is_taken(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", scripted={"c++": "exit 1"})
    named = Path(tools(tmp_path / "my tools", scripted={"python": PYTHON})) / "python"
    ask = ("mlx-lm", "--device=cpu", "--dry-run", "--python", named)
    done = prepare("python-env", *ask, home=tmp_path, env={"PATH": path})
    assert done.code == 0, done.err
    assert "my\\ tools/python -m venv" in done.err


def test_mlx_needs_a_system_that_its_wheels_were_linked_for(tmp_path: Path) -> None:
    old = {"getconf": "echo glibc 2.31", "python3": PYTHON, "c++": "exit 1"}
    env = {"PATH": tools(tmp_path / "bin", scripted=old)}
    assert "glibc 2.35 or newer" in prepare("python-env", "mlx-lm", "--device=cpu", home=tmp_path, env=env).err


@pytest.mark.parametrize(
    ("runtime", "device", "told"),
    [
        ("mlx-lm", "cuda", ["nvidia-smi"]),
        ("mlx-lm", "metal", ["Metal"]),
        ("llama-cpp-python", "cuda", ["nvcc"]),
        ("llama-cpp-python", "metal", ["Metal"]),
    ],
)
def test_each_device_has_needs_of_its_own(runtime: str, device: str, told: list[str], tmp_path: Path) -> None:
    scripted = {"uname": "echo Linux", "getconf": "exit 1", "python3": PYTHON, "c++": "exit 1"}
    env = {"PATH": tools(tmp_path / "bin", scripted=scripted), "CUDA_HOME": ""}
    done = prepare("python-env", runtime, "--device", device, home=tmp_path, env=env)
    assert done.code == 3
    assert [what.split(",")[0].split()[0] for what, _ in remedies(done.err)] == told


def test_mlx_has_no_wheel_for_an_intel_mac(tmp_path: Path) -> None:
    scripted = {"uname": MAC, "python3": PYTHON}
    env = {"PATH": tools(tmp_path / "bin", scripted=scripted), "MACHINE": "x86_64"}
    done = prepare("python-env", "mlx-lm", home=tmp_path, env=env)
    assert (done.code, "Apple processor" in done.err) == (3, True)
