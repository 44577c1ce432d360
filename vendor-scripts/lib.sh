# shellcheck shell=bash
# What the prepare-*.sh scripts share; sourced by them, never run. Works in the bash 3.2 of macOS.
# Progress and complaints go to standard error, what belongs in a config to standard output.
set -euo pipefail
# With it, `cd` may go elsewhere, and prints where.
unset CDPATH

readonly EXIT_FAILED=1 EXIT_USAGE=2 EXIT_MISSING=3

program=$(basename "$0")
dry_run=no
changed=no
missing=""
anything_missing=no

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$program: $*"
    exit "$EXIT_FAILED"
}

usage_error() {
    say "$program: $*"
    say "See: $program --help"
    exit "$EXIT_USAGE"
}

have() { command -v "$1" >/dev/null 2>&1; }

# run COMMAND…: shows the command and runs it; with --dry-run only shows it.
run() { run_in . "$@"; }

# run_in FOLDER COMMAND…: the same, in a folder.
run_in() {
    local folder=$1 shown
    shift
    shown=$(printf ' %q' "$@")
    [ "$folder" = . ] || shown=" cd $(printf '%q' "$folder") &&$shown"
    changed=yes
    if [ "$dry_run" = yes ]; then
        say "would run:$shown"
    else
        say "+$shown"
        (cd "$folder" && "$@") >&2
    fi
}

is_url() {
    case $1 in
        *://*) return 0 ;;
        /* | .*) return 1 ;;
        *@*:*) return 0 ;;
        *) return 1 ;;
    esac
}

default_device() { if [ "$(uname -s)" = Darwin ]; then echo metal; else echo cpu; fi; }

check_device_name() {
    case $1 in
        cpu | metal | cuda) ;;
        *) usage_error "--device is cpu, metal or cuda, not $1" ;;
    esac
}

# The folder that parity itself uses for what may be made again.
cache_folder() {
    if [ -n "${PARITY_CACHE:-}" ]; then
        printf '%s' "$PARITY_CACHE"
    else
        case ${XDG_CACHE_HOME:-} in
            /*) printf '%s' "$XDG_CACHE_HOME/parity" ;;
            *) printf '%s' "$HOME/.cache/parity" ;;
        esac
    fi
}

# The path from the root, whether or not anything is there; links of an existing folder resolved.
absolute() {
    if [ -d "$1" ]; then
        (cd "$1" && pwd -P)
    else
        case $1 in
            /*) printf '%s' "$1" ;;
            *) printf '%s' "$(pwd -P)/${1#./}" ;;
        esac
    fi
}

toml_string() { printf '"%s"' "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')"; }

# toml_list WORDS: words separated by spaces or commas, as a TOML list.
toml_list() {
    local word joined=""
    for word in ${1//,/ }; do joined="$joined, $(toml_string "$word")"; done
    printf '[%s]' "${joined#, }"
}

# need WHAT REMEDY: notes something that is missing, to be reported together with everything that is.
need() { missing="$missing"$'\n'"  - $1"$'\n'"      $2"; }

# Ends the script where anything is missing; with --dry-run only after the commands were shown.
require_nothing_missing() {
    [ -n "$missing" ] || return 0
    say "$program: missing on this machine:$missing"
    # Without git there is nothing left to show.
    { [ "$dry_run" = yes ] && have git; } || exit "$EXIT_MISSING"
    anything_missing=yes
    missing=""
}

# package DEBIAN [FEDORA [ARCH [BREW]]]: the command that installs it here.
package() {
    local debian=$1 fedora=${2:-$1} arch=${3:-$1} brew=${4:-$1}
    if have apt-get; then
        echo "sudo apt-get install $debian"
    elif have dnf; then
        echo "sudo dnf install $fedora"
    elif have pacman; then
        echo "sudo pacman -S $arch"
    elif have brew; then
        echo "brew install $brew"
    else
        echo "install $debian with this system's package manager"
    fi
}

# check_room FOLDER MIB WHAT: that the disk on which a folder lies, or will lie, has so much room. The numbers
# are estimates on the low side: who has less is told before anything is fetched, and who has more may still run out.
check_room() {
    local folder free
    folder=$(absolute "$1")
    while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }') || return 0
    case $free in '' | *[!0-9]*) return 0 ;; esac
    [ "$free" -ge "$2" ] ||
        need "room on the disk of $1, $3: it takes at least $2 MiB, and $free MiB are free" \
            "free some space, or name a folder on a larger disk"
}

check_tool() { have "$1" || need "$1, $2" "$3"; }

check_cxx() {
    if [ "$(uname -s)" = Darwin ]; then
        # Without the command line tools macOS has a c++ that only asks for them.
        xcode-select -p >/dev/null 2>&1 || need "Xcode's command line tools, $1" "xcode-select --install"
    elif ! have c++ && ! have g++ && ! have clang++; then
        need "a C++ compiler, $1" "$(package build-essential gcc-c++ base-devel)"
    fi
}

check_git() { check_tool git "$1" "$(package git)"; }

# check_gpu DEVICE: what compiling for a GPU needs.
check_gpu() {
    case $1 in
        metal)
            [ "$(uname -s)" = Darwin ] || need "Metal, which macOS alone has" "choose --device cpu, or --device cuda"
            ;;
        cuda)
            local root
            if [ "$(uname -s)" = Darwin ]; then
                need "CUDA, which macOS has not" "choose --device metal or --device cpu"
            elif ! have nvcc; then
                for root in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
                    if [ -n "$root" ] && [ -x "$root/bin/nvcc" ]; then
                        need "nvcc on PATH, to compile for CUDA" "export PATH=$(printf '%q' "$root/bin"):\$PATH"
                        return
                    fi
                done
                need "nvcc, to compile for CUDA" "$(package nvidia-cuda-toolkit cuda-toolkit cuda)"
            fi
            ;;
    esac
}

check_rust() {
    have cargo || need "cargo, to build it" "install rustup ($(package rustup)), then: rustup toolchain install stable"
}

# toolchain_file FOLDER…: the first rust-toolchain file in these folders, nearest first; nothing where there is none.
toolchain_file() {
    local folder name
    for folder in "$@"; do
        for name in rust-toolchain rust-toolchain.toml; do
            if [ -f "$folder/$name" ]; then
                printf '%s' "$folder/$name"
                return
            fi
        done
    done
}

# The channel that a rust-toolchain file names, in either of its two forms; nothing where it names a path.
toolchain_channel() {
    if grep -q = "$1"; then
        sed -n "s/^[[:space:]]*channel[[:space:]]*=[[:space:]]*[\"']\([^\"']*\).*/\1/p" "$1"
    else
        awk 'NF { print $1; exit }' "$1"
    fi
}

# check_toolchain FOLDER…: that the toolchain which the checkout names is installed.
check_toolchain() {
    local file channel installed pattern
    file=$(toolchain_file "$@")
    [ -n "$file" ] || return 0
    channel=$(toolchain_channel "$file")
    [ -n "$channel" ] || return 0
    if ! have rustup; then
        need "rustup, since $file asks for the toolchain $channel" \
            "$(package rustup), then: rustup toolchain install $channel"
        return
    fi
    installed=$(rustup toolchain list 2>/dev/null || true)
    # `nightly` stands for nightly-x86_64-…, never for nightly-2025-01-01-x86_64-….
    pattern="^${channel//./\\.}(-[a-z][^ ]*)?( |\$)"
    printf '%s\n' "$installed" | grep -E "$pattern" >/dev/null ||
        need "the Rust toolchain $channel, which $file asks for" "rustup toolchain install $channel"
}

# finish WHAT: the last words before the snippet for the config.
finish() {
    if [ "$changed" = no ]; then
        say "$1: already prepared, nothing to do. For the config:"
    elif [ "$dry_run" = yes ]; then
        say "$1: nothing was changed. For the config, once it is done:"
    else
        say "$1: ready. For the config:"
    fi
}

# Exits 3 where a dry run found something missing.
end_of_dry_run() { [ "$anything_missing" = no ] || exit "$EXIT_MISSING"; }
