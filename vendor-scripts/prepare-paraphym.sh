#!/usr/bin/env bash
# Makes a paraphym checkout ready for parity's `paraphym` adapter.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=checkout.sh
. "$(dirname "${BASH_SOURCE[0]}")/checkout.sh"

readonly CRATE=packages/candle

usage() {
    cat <<'TEXT'
Usage: prepare-paraphym.sh PATH [OPTIONS]       prepare a checkout of yours in place
       prepare-paraphym.sh GIT_URL [OPTIONS]    make a checkout and prepare it

Checks for what is missing, makes the checkout, fills its submodules, fetches its crates, and prints what to put in the
config. It can be run again. A checkout with uncommitted changes or at a different revision is left as it is.

  --rev REV             branch, tag or commit to check out; an existing checkout must be at it
  --into FOLDER         where the checkout goes (default: parity's cache folder, checkouts/paraphym)
  --device DEVICE       cpu, metal or cuda (default: metal on macOS, otherwise cpu). Feature metal is one of the crate's
                        defaults and builds on macOS only: elsewhere the other defaults are named one by one
  --features LIST       further features of the crate
  --build               compile the example now; otherwise `parity run` does it before the first trial
  --allow-dirty         accept uncommitted changes
  --submodule PATH=URL  a different source for a submodule, such as forks/surrealdb=~/src/surrealdb
  --dry-run             show the commands, change nothing
  --help                print this text

Exit codes: 0 done, 1 failed or refused, 2 usage, 3 prerequisites missing.
TEXT
}

# default_features MANIFEST: the crate's own, separated by commas.
default_features() {
    awk '
        /^\[/ { inside = /^\[features\]/ }
        inside && /^default[ \t]*=/ { on = 1 }
        on { sub(/#.*/, ""); print; if (/\]/) exit }
    ' "$1" | { grep -o '"[^"]*"' || true; } | tr -d '"' | paste -s -d , -
}

# without FEATURE LIST: the list without it.
without() { printf '%s' "$2" | tr , '\n' | { grep -F -x -v -e "$1" || true; } | paste -s -d , -; }

# Crates that call cmake when they are compiled are in the lock file beside the crate `cmake`.
check_cmake() {
    local lock
    for lock in "$tree/Cargo.lock" "$tree/$CRATE/Cargo.lock"; do
        if [ -f "$lock" ] && grep -F -x 'name = "cmake"' "$lock" >/dev/null; then
            check_tool cmake "which a crate of $lock calls" "$(package cmake)"
            return
        fi
    done
}

check_checkout() {
    [ -d "$tree" ] || return 0
    check_toolchain "$tree/$CRATE" "$tree"
    check_cmake
}

main() {
    local default_features=yes arguments
    parse_checkout_options "$@"
    check_git "to make the checkout"
    check_rust
    check_cxx "to compile its crates"
    check_gpu "$device"
    tree=$(place_of_tree paraphym)
    check_checkout
    check_room_of_tree "$tree"
    require_nothing_missing

    checkout_at paraphym
    if [ -d "$tree" ]; then
        [ -f "$tree/$CRATE/examples/fluent_builder.rs" ] ||
            fail "$tree is no paraphym checkout: it has no $CRATE/examples/fluent_builder.rs"
        check_checkout
        require_nothing_missing
        fill_submodules "$tree" ${submodules[@]+"${submodules[@]}"}
    else
        say "Its submodules would be filled."
    fi
    fetch_crates "$tree" "$CRATE/Cargo.toml" yes

    if [ "$device" = metal ]; then
        features=metal${features:+,$features}
    else
        default_features=no
        [ "$device" = cpu ] || features=$device${features:+,$features}
        if [ -d "$tree" ]; then
            local kept
            kept=$(without metal "$(default_features "$tree/$CRATE/Cargo.toml")")
            features=$kept${kept:+${features:+,}}$features
        else
            say "The crate's default features but metal would be named one by one."
        fi
    fi
    if [ "$build_too" = yes ]; then
        # As the adapter does: other members of the workspace change none of its features.
        arguments=(--example fluent_builder --manifest-path "$CRATE/Cargo.toml" --release --locked)
        [ "$default_features" = yes ] || arguments+=(--no-default-features)
        [ -z "$features" ] || arguments+=(--features "$features")
        build "$tree" "${arguments[@]}"
    fi

    finish "paraphym"
    [ ! -d "$tree" ] || echo "# paraphym at $(git -C "$tree" rev-parse HEAD)"
    echo "[runtimes.paraphym]"
    echo 'adapter = "paraphym"'
    echo "path = $(toml_string "$tree")"
    [ "$default_features" = yes ] || echo "default_features = false"
    [ -z "$features" ] || echo "features = $(toml_list "$features")"
    end_of_dry_run
}

main "$@"
