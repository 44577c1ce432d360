#!/usr/bin/env bash
# Makes a Candle checkout ready for parity's `candle` adapter.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=checkout.sh
. "$(dirname "${BASH_SOURCE[0]}")/checkout.sh"

usage() {
    cat <<'TEXT'
Usage: prepare-candle.sh PATH [OPTIONS]       prepare a checkout of yours in place
       prepare-candle.sh GIT_URL [OPTIONS]    make a checkout and prepare it

Checks for what is missing, makes the checkout, fetches its crates, and prints what to put in the config.
It can be run again. A checkout with uncommitted changes or at a different revision is left as it is.

  --rev REV             branch, tag or commit to check out; an existing checkout must be at it
  --into FOLDER         where the checkout goes (default: parity's cache folder, checkouts/candle)
  --device DEVICE       cpu, metal or cuda (default: metal on macOS, otherwise cpu)
  --features LIST       further features of candle-examples: accelerate, mkl, cudnn, …
  --build               compile the examples now; otherwise `parity run` does it before the first trial
  --allow-dirty         accept uncommitted changes
  --submodule PATH=URL  a different source for a submodule
  --dry-run             show the commands, change nothing
  --help                print this text

Exit codes: 0 done, 1 failed or refused, 2 usage, 3 prerequisites missing.
TEXT
}

main() {
    local example arguments
    parse_checkout_options "$@"
    [ "$device" = cpu ] || features=$device${features:+,$features}
    check_git "to make the checkout"
    check_rust
    check_cxx "to compile the tokenizers"
    check_gpu "$device"
    tree=$(place_of_tree candle)
    check_toolchain "$tree"
    check_room_of_tree "$tree"
    require_nothing_missing

    checkout_at candle
    if [ -d "$tree" ]; then
        [ -f "$tree/candle-examples/Cargo.toml" ] || fail "$tree is no Candle checkout: it has no candle-examples/Cargo.toml"
        check_toolchain "$tree"
        require_nothing_missing
        fill_submodules "$tree" ${submodules[@]+"${submodules[@]}"}
    fi
    # Candle leaves its lock file out of git.
    fetch_crates "$tree" candle-examples/Cargo.toml no
    if [ "$build_too" = yes ]; then
        arguments=(--package candle-examples --release --locked)
        for example in quantized-qwen3 quantized quantized-phi; do arguments+=(--example "$example"); done
        [ -z "$features" ] || arguments+=(--features "$features")
        build "$tree" "${arguments[@]}"
    fi

    finish "Candle"
    [ ! -d "$tree" ] || echo "# Candle at $(git -C "$tree" rev-parse HEAD)"
    echo "[runtimes.candle]"
    echo 'adapter = "candle"'
    echo 'source = "checkout"'
    echo "path = $(toml_string "$tree")"
    [ -z "$features" ] || echo "features = $(toml_list "$features")"
    end_of_dry_run
}

main "$@"
