#!/usr/bin/env bash
# Makes a Python environment that holds one runtime and nothing of parity's.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=checkout.sh
. "$(dirname "${BASH_SOURCE[0]}")/checkout.sh"

readonly MLX_MIB=300 LLAMA_MIB=150 COMPILING_MIB=100
readonly OLDEST_LLAMA=0.3.35 OLDEST_MLX_LM=0.31 OLDEST_GLIBC_MINOR=35
# For CPUs with AMX: GCC may optimise the tile configuration away, and then the first decode crashes.
readonly WITHOUT_AMX="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
smoke=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/smoke-llama-cpp.py
readonly smoke

usage() {
    cat <<'TEXT'
Usage: prepare-python-env.sh llama-cpp-python [OPTIONS]
       prepare-python-env.sh mlx-lm [OPTIONS]

Looks for what is missing, makes the environment, installs the runtime for the device, checks that it computes and sees
the device, and prints what to put in the config. Run again, it finds everything done. A folder that this script has not
made, or that holds something other than what you ask for, is left as it is.

  --device DEVICE   cpu, metal or cuda (default: metal on macOS, else cpu)
  --into FOLDER     where the environment goes (default: parity's cache folder, environments/RUNTIME-DEVICE)
  --python PYTHON   interpreter to make it with (default: the first on PATH that is new enough)
  --version V       version of the runtime (default: the newest)
  --wheel FILE      a wheel of the runtime that was compiled elsewhere
  --source SOURCE   compile a checkout's path, or a git URL, instead of a release
  --rev REV         branch, tag or commit of --source
  --allow-dirty     take uncommitted changes of --source in
  --cuda MAJOR      CUDA of mlx's wheels, 12 or 13 (default: 12)
  --dry-run         look and show the commands, change nothing
  --help            this text

llama-cpp-python is compiled here (about 5 minutes on two cores) unless --wheel names a wheel or, for the CPU, pip
finds one (PIP_FIND_LINKS is honoured). CMAKE_ARGS is passed on, with what the device needs added to it. Before the
environment counts as ready, a tiny quantised model is decoded with it; if that crashes on a CPU with AMX,
llama-cpp-python is compiled again without AMX.

Exit codes: 0 done, 1 failed or refused, 2 usage, 3 prerequisites missing.
TEXT
}

runtime=""
python=""
version=""
wheel=""
source_of_runtime=""
cuda=12

parse_options() {
    local option
    while [ $# -gt 0 ]; do
        case $1 in
            --?*=*)
                option=$1
                shift
                set -- "${option%%=*}" "${option#*=}" "$@"
                ;;
        esac
        case $1 in
            --device | --into | --python | --version | --wheel | --source | --rev | --cuda)
                { [ $# -ge 2 ] && [ -n "$2" ]; } || usage_error "$1 needs a value"
                ;;
        esac
        case $1 in
            --help | -h)
                usage
                exit 0
                ;;
            --dry-run) dry_run=yes ;;
            --allow-dirty) allow_dirty=yes ;;
            --device) device=$2 && shift ;;
            --into) into=$2 && shift ;;
            --python) python=$2 && shift ;;
            --version) version=$2 && shift ;;
            --wheel) wheel=$2 && shift ;;
            --source) source_of_runtime=$2 && shift ;;
            --rev) rev=$2 && shift ;;
            --cuda) cuda=$2 && shift ;;
            llama-cpp-python | mlx-lm)
                [ -z "$runtime" ] || usage_error "one runtime, not both $runtime and $1"
                runtime=$1
                ;;
            -*) usage_error "$1 is not an option of this script" ;;
            *) usage_error "the runtime is llama-cpp-python or mlx-lm, not $1" ;;
        esac
        shift
    done
    [ -n "$runtime" ] || usage_error "name the runtime: llama-cpp-python or mlx-lm"
    device=${device:-$(default_device)}
    check_device_name "$device"
    case $cuda in 12 | 13) ;; *) usage_error "--cuda is 12 or 13, not $cuda" ;; esac
    case $rev in -*) usage_error "--rev can't begin with a dash: $rev" ;; esac
    [ -z "$rev" ] || [ -n "$source_of_runtime" ] || usage_error "--rev is a revision of --source, which is not given"
    [ "$(printf '%s\n' "$version" "$wheel" "$source_of_runtime" | grep -c .)" -le 1 ] ||
        usage_error "--version, --wheel and --source say the same thing in three ways: give one"
    if [ -n "$wheel" ]; then
        [ -f "$wheel" ] || usage_error "--wheel $wheel: there is no such file"
        wheel=$(absolute "$(dirname "$wheel")")/$(basename "$wheel")
    fi
    if [ -n "$source_of_runtime" ] && ! is_url "$source_of_runtime"; then
        [ -d "$source_of_runtime" ] || usage_error "--source $source_of_runtime is neither a folder nor a git URL"
        source_of_runtime=$(absolute "$source_of_runtime")
    fi
    into=$(absolute "${into:-$(cache_folder)/environments/$runtime-$device}")
}

oldest_python_minor() { if [ "$runtime" = mlx-lm ]; then echo 10; else echo 9; fi; }

# fits PYTHON: that it runs, is new enough and can make environments.
fits() {
    "$1" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, $(oldest_python_minor)))" >/dev/null 2>&1
}

check_python() {
    local candidate found="" wanted candidates=(python3 python3.13 python3.12 python3.11 python3.10 python3.9)
    [ -z "$python" ] || candidates=("$python")
    wanted="Python 3.$(oldest_python_minor) or newer with venv, for $runtime"
    for candidate in "${candidates[@]}"; do
        if fits "$candidate"; then
            python=$(command -v "$candidate")
            return
        fi
        found=$found$("$candidate" -c 'import platform; print(" here is", platform.python_version(), end=",")' 2>/dev/null || true)
    done
    need "$wanted${python:+ (asked for: $python)}${found:+;${found%,} but too old or without venv}" \
        "$(package "python3 python3-venv" python3 python python), or name one with --python"
}

# check_glibc: MLX's wheels for Linux are linked against a glibc that older systems lack.
check_glibc() {
    local found
    found=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)
    case $found in
        "glibc 2."*)
            [ "${found#glibc 2.}" -ge "$OLDEST_GLIBC_MINOR" ] ||
                need "glibc 2.$OLDEST_GLIBC_MINOR or newer, for MLX's wheels; here is $found" "use a newer system"
            ;;
    esac
}

# check_llama_source: that a checkout has the llama.cpp which is compiled with it; from a URL pip fetches it itself.
check_llama_source() {
    ! is_empty_folder "$source_of_runtime/vendor/llama.cpp" ||
        need "llama.cpp's source: $source_of_runtime/vendor/llama.cpp, a submodule, is empty" \
            "git -C $(printf '%q' "$source_of_runtime") submodule update --init --recursive"
}

# check_room_of_environment: for one that is not ready yet. pip compiles in a folder for temporary files.
check_room_of_environment() {
    [ ! -f "$into/parity-env-ready" ] || return 0
    if [ "$runtime" = mlx-lm ]; then
        check_room "$into" "$MLX_MIB" "for the environment"
        return
    fi
    check_room "$into" "$LLAMA_MIB" "for the environment"
    [ -n "$wheel" ] || check_room "${TMPDIR:-/tmp}" "$COMPILING_MIB" "to compile in"
}

check_prerequisites() {
    check_python
    check_room_of_environment
    [ -z "$source_of_runtime" ] || check_git "to read --source"
    if [ "$runtime" = llama-cpp-python ]; then
        [ -z "$source_of_runtime" ] || check_llama_source
        # cmake and ninja aren't asked for: pip brings them where the system has none.
        [ -n "$wheel" ] || check_cxx "to compile llama-cpp-python"
        [ -n "$wheel" ] || check_gpu "$device"
        return
    fi
    case $(uname -s)/$device in
        Darwin/cuda | Linux/metal) check_gpu "$device" ;;
        Darwin/*)
            [ "$(uname -m)" = arm64 ] || need "an Apple processor and a Python that is native to it, for MLX" \
                "choose llama-cpp-python, which runs on Intel too"
            ;;
        Linux/cuda)
            check_glibc
            check_tool nvidia-smi "which comes with the driver that MLX's CUDA wheels need" \
                "install NVIDIA's driver: 550 or newer for --cuda 12, 580 or newer for --cuda 13"
            ;;
        Linux/cpu)
            check_glibc
            # MLX compiles its fused kernels for the CPU when they are first used.
            check_cxx "which MLX calls at run time"
            ;;
    esac
}

# What pip is asked for.
requirement() {
    local package=$1 oldest=$2 url
    if [ -n "$wheel" ]; then
        printf '%s' "$wheel"
    elif [ -z "$source_of_runtime" ]; then
        if [ -n "$version" ]; then printf '%s' "$package==$version"; else printf '%s' "$package>=$oldest"; fi
    elif is_url "$source_of_runtime"; then
        url=$source_of_runtime
        # pip doesn't know git's short form user@host:path.
        case $url in *://*) ;; *) url="ssh://${url%%:*}/${url#*:}" ;; esac
        printf '%s' "$package @ git+$url${rev:+@$rev}"
    else
        printf '%s' "$source_of_runtime"
    fi
}

cmake_arguments() {
    local own
    case $device in
        metal) own=-DGGML_METAL=on ;;
        cuda) own=-DGGML_CUDA=on ;;
        # On macOS llama.cpp takes Metal by default.
        cpu) if [ "$(uname -s)" = Darwin ]; then own=-DGGML_METAL=off; else own=""; fi ;;
    esac
    printf '%s' "${CMAKE_ARGS:-}${CMAKE_ARGS:+${own:+ }}$own"
}

mlx_requirement() {
    case $(uname -s)/$device in
        */cuda) echo "mlx[cuda$cuda]" ;;
        Linux/cpu) echo "mlx[cpu]" ;;
        *) echo mlx ;;
    esac
}

# Everything in which two environments can differ.
description() {
    echo "runtime $runtime"
    echo "device $device$([ "$device/$runtime" != cuda/mlx-lm ] || echo " $cuda")"
    if [ -n "$wheel" ]; then
        echo "wheel $(basename "$wheel") $(cksum <"$wheel")"
    elif [ -n "$source_of_runtime" ] && ! is_url "$source_of_runtime"; then
        echo "checkout $source_of_runtime $(git -C "$source_of_runtime" rev-parse HEAD)"
        echo "changes $(git -C "$source_of_runtime" diff HEAD | cksum)"
    else
        echo "source ${source_of_runtime:-release} ${rev:-${version:-newest}}"
    fi
    [ "$runtime" != llama-cpp-python ] || [ -n "$wheel" ] || echo "cmake $(cmake_arguments)"
}

pip() { run "$into/bin/python" -m pip --disable-pip-version-check "$@" || fail "pip failed; it says why above"; }

install_llama() {
    local what compile=()
    what=$(requirement llama-cpp-python "$OLDEST_LLAMA")
    if [ -z "$wheel" ]; then
        say "Compiling llama-cpp-python, unless pip finds a wheel that fits; some minutes."
        # A wheel that pip finds says nothing of its GPU.
        [ "$device" = cpu ] || compile=(--no-binary llama-cpp-python)
        # pip's cache of wheels compiled before doesn't know the CMake arguments that they were compiled with.
        compile+=(--no-cache-dir)
        CMAKE_ARGS=$(cmake_arguments)
        export CMAKE_ARGS
        [ -z "$CMAKE_ARGS" ] || say "CMAKE_ARGS=$CMAKE_ARGS"
    fi
    pip install --no-deps ${compile[@]+"${compile[@]}"} "$what"
    if [ "$dry_run" = no ]; then
        what=llama-cpp-python==$("$into/bin/python" -c 'from importlib.metadata import version; print(version("llama-cpp-python"))') ||
            fail "$wheel installs no llama-cpp-python"
    fi
    pip install "$what"
    [ "$dry_run" = yes ] || prove_llama "$what"
}

# prove_llama REQUIREMENT: has what was installed decode with a tiny quantised model, and compiles it again without AMX
# where that crashes on a CPU with AMX.
prove_llama() {
    local crash by_hand
    by_hand="CFLAGS='$WITHOUT_AMX' CXXFLAGS='$WITHOUT_AMX' $(printf '%q' "$0") llama-cpp-python --device $device --into $(printf '%q' "$into-without-amx")"
    crash=$(crash_of_llama) || exit "$EXIT_FAILED"
    [ -n "$crash" ] || return 0
    has_amx || fail_and_forget "llama-cpp-python crashes on this CPU ($crash): use a different wheel or compiler, or compile it for a \
plainer CPU: CMAKE_ARGS=-DGGML_NATIVE=OFF"
    [ -z "$wheel" ] || fail "the wheel crashes on this CPU ($crash), most likely in its AMX kernels: compile it here \
without AMX ($by_hand), or keep the wheel and put \`extra_buffers = false\` beside \
\`python = $(toml_string "$into/bin/python")\` in the config"
    say "llama-cpp-python crashes on this CPU ($crash) as compiled; compiling it without AMX"
    export CFLAGS="${CFLAGS:+$CFLAGS }$WITHOUT_AMX" CXXFLAGS="${CXXFLAGS:+$CXXFLAGS }$WITHOUT_AMX"
    [ -z "$source_of_runtime" ] || set -- "$(requirement llama-cpp-python "$OLDEST_LLAMA")"
    pip install --force-reinstall --no-deps --no-binary llama-cpp-python --no-cache-dir "$1"
    crash=$(crash_of_llama) || exit "$EXIT_FAILED"
    [ -z "$crash" ] || fail_and_forget "llama-cpp-python crashes on this CPU ($crash), with AMX and without: use a different compiler \
(CC=clang CXX=clang++), or compile it for a plainer CPU: CMAKE_ARGS=-DGGML_NATIVE=OFF"
}

# fail_and_forget REASON: fails without what was compiled, so that the next run compiles it anew, as the user then says.
fail_and_forget() {
    [ -n "$wheel" ] || run "$into/bin/python" -m pip --disable-pip-version-check uninstall --quiet --yes llama-cpp-python || true
    fail "$*"
}

# Prints the signal by which the CPU ends llama-cpp-python when it decodes; nothing where it decodes well.
crash_of_llama() {
    local code=0 said
    said=$("$into/bin/python" "$smoke" 2>&1) || code=$?
    case $(kill -l "$code" 2>/dev/null) in
        # Any other signal has a cause of its own, such as want of memory.
        SEGV | ILL | BUS) printf 'SIG%s' "$(kill -l "$code")" && return ;;
    esac
    if [ "$code" -ne 0 ]; then
        printf '%s\n' "$said" | tail -n 20 >&2
        fail "llama-cpp-python was installed into $into and can't run a tiny model; its last lines are above"
    fi
}

has_amx() { grep -q amx_tile /proc/cpuinfo 2>/dev/null; }

install_mlx() {
    pip install "$(requirement mlx-lm "$OLDEST_MLX_LM")" "$(mlx_requirement)"
}

# Imports the runtime as its worker does, and asks it for the device.
verify() {
    "$into/bin/python" - "$runtime" "$device" >&2 <<'PYTHON'
import importlib.metadata
import sys

runtime, device = sys.argv[1:]
if runtime == "llama-cpp-python":
    import llama_cpp

    sees_gpu = llama_cpp.llama_supports_gpu_offload()
else:
    import mlx.core as mx
    import mlx_lm

    mx.eval(mx.ones(4) + 1)
    sees_gpu = mx.default_device().type == mx.gpu
print(f"{runtime} {importlib.metadata.version(runtime)}: imported, {'GPU' if sees_gpu else 'CPU'}")
if device != "cpu" and not sees_gpu:
    sys.exit(f"{runtime} sees no GPU, and --device {device} asks for one")
PYTHON
}

# Whether the runtime that was installed is still there; takes no part of the second that an import takes.
is_whole() {
    "$into/bin/python" -c "import importlib.metadata as m; m.version('$runtime')" >/dev/null 2>&1
}

adapter() { if [ "$runtime" = mlx-lm ]; then echo mlx_lm; else echo llama_cpp; fi; }

main() {
    local wanted described
    parse_options "$@"
    check_prerequisites
    require_nothing_missing
    if [ -n "$source_of_runtime" ] && ! is_url "$source_of_runtime"; then
        inspect_checkout "$source_of_runtime" "$rev" "$allow_dirty"
    fi

    wanted=$(description)
    described=$into/parity-env
    if [ -e "$into" ] && ! is_empty_folder "$into"; then
        [ -f "$described" ] || fail "$into is not an environment that this script made: name a different folder with --into"
        [ "$(cat "$described")" = "$wanted" ] || fail "$into holds something other than what you ask for:
$(sed 's/^/  /' "$described")
Name a different folder with --into, or remove that one: rm -r $(printf '%q' "$into")"
    fi
    if ! { [ -f "$described-ready" ] && is_whole; }; then
        if [ "$dry_run" = no ]; then
            rm -f "$described-ready"
            mkdir -p "$into" || fail "$into can't be made"
            printf '%s\n' "$wanted" >"$described"
        fi
        # Python looks for modules where these say, whichever environment runs.
        unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER
        run "$python" -m venv "$into" || fail "$python can't make an environment; it says why above"
        if [ "$runtime" = mlx-lm ]; then install_mlx; else install_llama; fi
        if [ "$dry_run" = no ]; then
            verify || fail "$runtime was installed into $into but doesn't work; it says why above"
            : >"$described-ready"
        fi
    fi

    finish "$runtime"
    echo "[runtimes.$runtime]"
    echo "adapter = $(toml_string "$(adapter)")"
    echo "python = $(toml_string "$into/bin/python")"
    # A wheel may have been compiled for a GPU, and MLX has one build for macOS: both take the GPU by default.
    [ "$runtime/$device" != llama-cpp-python/cpu ] || echo "gpu_layers = 0"
    [ "$runtime/$device/$(uname -s)" != mlx-lm/cpu/Darwin ] || echo 'device = "cpu"'
    end_of_dry_run
}

main "$@"
