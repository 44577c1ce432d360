# shellcheck shell=bash
# What prepare-candle.sh and prepare-paraphym.sh share; prepare-python-env.sh uses its check of a checkout. Runs git and
# cargo, and never takes a step that could lose a user's work. Sourced, never run; needs lib.sh.
# Options are read by the scripts that source this.
# shellcheck disable=SC2034

# commit_of TREE REV: the commit that REV means there, the user's own branch before the remote's and before what
# `clone` fetched by that name; nothing if unknown.
commit_of() {
    local name
    for name in "$2" "refs/remotes/origin/$2" "refs/parity/$2"; do
        ! git -C "$1" rev-parse --quiet --verify "$name^{commit}" 2>/dev/null || return 0
    done
}

# uncommitted TREE: what differs from the commit, but for a lock file of cargo's own making.
uncommitted() { git -C "$1" status --porcelain --ignore-submodules=none | grep -v '^?? Cargo\.lock$' || true; }

# inspect_checkout TREE REV ALLOW_DIRTY: refuses what isn't a clean checkout of REV; changes nothing.
inspect_checkout() {
    local tree=$1 rev=$2 allow_dirty=$3 top head dirty commit
    top=$(git -C "$tree" rev-parse --show-toplevel 2>&1) || fail "$tree is no git checkout: $top"
    [ "$(absolute "$top")" = "$tree" ] || fail "$tree lies inside the checkout $top: name that one"
    head=$(git -C "$tree" rev-parse --quiet --verify HEAD) || fail "$tree has no commit yet"
    if [ -n "$rev" ]; then
        commit=$(commit_of "$tree" "$rev")
        commit=${commit:-"$rev, which it lacks"}
        [ "$commit" = "$head" ] || fail "$tree is at $head, and --rev asks for $commit.
It is left as it is: check that revision out yourself, or let the script make a different checkout with --into."
    fi
    dirty=$(uncommitted "$tree")
    if [ -n "$dirty" ] && [ "$allow_dirty" = no ]; then
        fail "$tree has uncommitted changes, so no commit would say what was measured:
$dirty
It is left as it is: commit or stash them, or take them in with --allow-dirty."
    fi
}

same_url() {
    local a=${1%/} b=${2%/}
    [ "${a%.git}" = "${b%.git}" ]
}

is_empty_folder() { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; }

# With nobody there to answer, git must fail rather than wait for a password.
[ -t 0 ] || export GIT_TERMINAL_PROMPT=0
# A missing toolchain is an error and is not installed: the user decides about that.
export RUSTUP_AUTO_INSTALL=0

scratch=""
remove_scratch() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap remove_scratch EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# clone URL REV INTO: complete or not there at all. A revision may be a branch, a tag or a commit.
clone() {
    local url=$1 rev=$2 into=$3 commit
    if [ "$dry_run" = yes ]; then
        run git clone --no-checkout -- "$url" "$into"
        run git -C "$into" checkout --detach "${rev:-HEAD}"
        return
    fi
    mkdir -p "$(dirname "$into")" || fail "$(dirname "$into") can't be made"
    scratch=$(mktemp -d "$(dirname "$into")/.parity-clone.XXXXXX")
    run git clone --no-checkout -- "$url" "$scratch/tree" || fail "$url can't be cloned; git says why above"
    commit=$(commit_of "$scratch/tree" "${rev:-HEAD}")
    # Git clones branches and tags only; what else is asked for is kept by its name, for the next run to know it.
    if [ -z "$commit" ] && git -C "$scratch/tree" fetch --quiet origin "+$rev:refs/parity/$rev" 2>/dev/null; then
        commit=$(commit_of "$scratch/tree" "$rev")
    fi
    [ -n "$commit" ] || fail "$url has no revision ${rev:-HEAD}"
    run git -C "$scratch/tree" checkout --quiet --detach "$commit" || fail "$commit can't be checked out"
    ! is_empty_folder "$into" || rmdir "$into"
    mv "$scratch/tree" "$into"
    rmdir "$scratch"
    scratch=""
}

# empty_submodules TREE: commit and path of each submodule that the commit names and that is still empty.
empty_submodules() {
    local commit path
    while read -r _ commit _ path; do
        if is_empty_folder "$1/$path" || [ ! -e "$1/$path" ]; then printf '%s %s\n' "$commit" "$path"; fi
    done < <(git -C "$1" ls-files --stage | grep '^160000 ' || true)
}

# submodule_url TREE PATH: what .gitmodules says; nothing where it doesn't.
submodule_url() {
    local key
    key=$(git -C "$1" config --file "$1/.gitmodules" --get-regexp '\.path$' "^$2\$" 2>/dev/null | head -n 1) || true
    key=${key%% *}
    [ -z "$key" ] || git -C "$1" config --file "$1/.gitmodules" --get "${key%.path}.url" || true
}

# given_url PATH PATH=URL…: the URL that the user gives for a submodule. No shell expands the ~/ of such a URL, since it
# doesn't begin the word.
given_url() {
    local path=$1 pair url=""
    shift
    for pair in "$@"; do [ "${pair%%=*}" != "$path" ] || url=${pair#*=}; done
    case $url in \~/*) url=$HOME/${url#??} ;; esac
    printf '%s' "$url"
}

# fill_submodules TREE PATH=URL…: every submodule that is still empty; PATH=URL gives a different source for one. All
# that are empty are listed before the first is fetched, and all that can't be fetched are listed together.
fill_submodules() {
    local tree=$1 commit path url empty list="" unknown="" failed=""
    shift
    empty=$(empty_submodules "$tree")
    [ -n "$empty" ] || return 0
    while read -r commit path; do
        url=$(given_url "$path" "$@")
        url=${url:-$(submodule_url "$tree" "$path")}
        list="$list"$'\n'"  $path at $commit, from ${url:-no known URL}"
        [ -n "$url" ] || unknown="$unknown --submodule $path=URL"
    done <<<"$empty"
    say "Empty submodules:$list"
    [ -z "$unknown" ] || fail "the commit names submodules for which .gitmodules has no URL. Give one for each:$unknown"
    while read -r commit path <&3; do
        url=$(given_url "$path" "$@")
        if [ -n "$url" ]; then
            clone "$url" "$commit" "$tree/$path"
        else
            run git -C "$tree" submodule update --init --recursive -- "$path" ||
                failed="$failed"$'\n'"  $path from $(submodule_url "$tree" "$path")"
        fi
    done 3<<<"$empty"
    [ -z "$failed" ] || fail "these submodules can't be fetched; git says why above:$failed
Give a different source with --submodule PATH=URL, once for each."
}

# fetch_crates TREE MANIFEST LOCK_IS_COMMITTED: every crate of the lock file, so that a build needs no network. A lock
# file that isn't in git is made where there is none, and brought up to date where the manifests have changed.
fetch_crates() {
    local tree=$1 manifest=$2 lock_is_committed=$3 workspace locked=()
    [ "$lock_is_committed" = no ] || locked=(--locked)
    if [ "$dry_run" = yes ]; then
        run_in "$tree" cargo fetch ${locked[@]+"${locked[@]}"} --manifest-path "$manifest"
        return
    fi
    workspace=$(cd "$tree" && cargo locate-project --workspace --message-format plain --manifest-path "$manifest") ||
        fail "cargo can't read $manifest; it says why above"
    workspace=$(dirname "$workspace")
    [ "$lock_is_committed" = no ] || [ -f "$workspace/Cargo.lock" ] ||
        fail "$workspace has no Cargo.lock, and without one cargo takes other crates
than its authors did. Choose a revision that has one, or make one and commit it: cargo generate-lockfile"
    # A fork may keep in git what Candle leaves out.
    ! git -C "$workspace" ls-files --error-unmatch Cargo.lock >/dev/null 2>&1 || locked=(--locked)
    (cd "$tree" && cargo fetch --quiet --locked --offline --manifest-path "$manifest") >/dev/null 2>&1 ||
        run_in "$tree" cargo fetch ${locked[@]+"${locked[@]}"} --manifest-path "$manifest" ||
        fail "the crates can't be fetched; cargo says why above"
}

# build TREE CARGO_ARGUMENTS…: shows the compiler's progress and, where it fails, its first error once more.
build() {
    local tree=$1 log
    shift
    if [ "$dry_run" = yes ]; then
        run_in "$tree" cargo build "$@"
        return
    fi
    log=$(mktemp "${TMPDIR:-/tmp}/parity-build.XXXXXX")
    say "+ cd $(printf '%q' "$tree") && cargo build$(printf ' %q' "$@")"
    if (cd "$tree" && cargo build "$@") 2>&1 | tee "$log" >&2; then
        ! grep -E '^ *Compiling ' "$log" >/dev/null || changed=yes
        rm -f "$log"
        return
    fi
    say ""
    say "The first error was:"
    awk '/^error/ { on = 1 } on && (!NF || ++shown > 12) { exit } on { print }' "$log" >&2
    grep -m 1 -E '^error: could not compile' "$log" >&2 || true
    fail "the build failed; all that cargo said is in $log"
}

readonly CHECKOUT_MIB=50 BUILD_MIB=512

source_given=""
rev=""
into=""
device=""
features=""
submodules=()
allow_dirty=no
build_too=no

parse_checkout_options() {
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
            --rev | --into | --device | --features | --submodule)
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
            --build) build_too=yes ;;
            --rev)
                rev=$2
                shift
                ;;
            --into)
                into=$2
                shift
                ;;
            --device)
                device=$2
                shift
                ;;
            --features)
                features=$2
                shift
                ;;
            --submodule)
                submodules+=("$2")
                shift
                ;;
            -*) usage_error "$1 is no option of it" ;;
            *)
                [ -z "$source_given" ] || usage_error "one source, not both $source_given and $1"
                source_given=$1
                ;;
        esac
        shift
    done
    [ -n "$source_given" ] || usage_error "name a checkout's path or a git URL"
    case $rev in -*) usage_error "--rev can't begin with a dash: $rev" ;; esac
    device=${device:-$(default_device)}
    check_device_name "$device"
    is_url "$source_given" || [ -d "$source_given" ] ||
        usage_error "$source_given is neither a folder nor a git URL"
}

# check_room_of_tree TREE: for what is not there yet of a checkout and of its build.
check_room_of_tree() {
    if [ ! -e "$1" ] || is_empty_folder "$1"; then check_room "$1" "$CHECKOUT_MIB" "for the checkout"; fi
    if [ "$build_too" = yes ] && [ ! -d "$1/target" ] && [ -z "${CARGO_TARGET_DIR:-}${CARGO_BUILD_TARGET_DIR:-}" ]; then
        check_room "$1" "$BUILD_MIB" "to compile it in"
    fi
}

# checkout_at NAME: sets `tree` to the checkout's place, made where it isn't there, refused where it isn't as asked.
checkout_at() {
    local remote
    if ! is_url "$source_given" && [ -z "$into" ]; then
        tree=$(absolute "$source_given")
        inspect_checkout "$tree" "$rev" "$allow_dirty"
        return
    fi
    is_url "$source_given" || source_given=$(absolute "$source_given")
    tree=$(absolute "${into:-$(cache_folder)/checkouts/$1}")
    if [ -e "$tree" ] && ! is_empty_folder "$tree"; then
        [ -d "$tree" ] || fail "$tree is no folder"
        inspect_checkout "$tree" "$rev" "$allow_dirty"
        remote=$(git -C "$tree" remote get-url origin 2>/dev/null || true)
        same_url "$remote" "$source_given" ||
            fail "$tree is a checkout of ${remote:-nothing known}, not of $source_given: name a different folder with --into"
        return
    fi
    [ -n "$rev" ] || say "No --rev: the newest commit of the default branch is taken."
    clone "$source_given" "$rev" "$tree"
}

# place_of_tree NAME: where the checkout is or would be, before anything was looked at.
place_of_tree() {
    if is_url "$source_given" || [ -n "$into" ]; then
        absolute "${into:-$(cache_folder)/checkouts/$1}"
    else
        absolute "$source_given"
    fi
}
