"""What a child gets to see of our environment, and what of it may be written down."""

from collections.abc import Iterable, Mapping, Sequence

from parity.redaction import REDACTED, SECRET, looks_secret, redact, secrets_of

TREE_VARIABLE = "PARITY_TREE"
"""Set in every child to a value of its own: descendants which left session and parents are still found by it."""

_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"),
        *("REQUESTS_CA_BUNDLE", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),
        # macOS: text encoding of the login session, and where the Metal and C compilers are
        *("__CF_USER_TEXT_ENCODING", "DEVELOPER_DIR", "SDKROOT"),
        *("CARGO_HOME", "RUSTUP_HOME", "CARGO_BUILD_JOBS", "CARGO_NET_OFFLINE"),
        # what a build or a download behind a proxy needs
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("CUDA_HOME", "CUDA_PATH", "CUDA_COMPUTE_CAP"),
    }
)
_PREFIXES = ("LC_", "XDG_", "HF_", "SSL_CERT_", "DYLD_", "NVIDIA_")


def child_environment(parent: Mapping[str, str], pass_env: Sequence[str], own: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed part of `parent` without what looks secret, what `pass_env` names of it, and `own` on top.

    Python children are always unbuffered: output that waits in a buffer has no arrival time."""
    passed = {
        name: value
        for name, value in parent.items()
        if name in pass_env or ((name in _NAMES or name.startswith(_PREFIXES)) and not looks_secret(name, value))
    }
    return {**passed, **own, "PYTHONUNBUFFERED": "1"}


def secrets_for(env: Mapping[str, str], secrets: Iterable[str] = ()) -> frozenset[str]:
    """What may not be written down of a child with this environment."""
    return secrets_of(env) | frozenset(secrets)


def recordable(
    argv: Sequence[str], env: Mapping[str, str], secrets: Iterable[str] = ()
) -> tuple[tuple[str, ...], dict[str, str]]:
    """`argv` and `env` as they may be kept: `secrets` and the values of variables with secret-looking names are
    replaced, also where they occur inside another value, and bytes that are no UTF-8 become U+FFFD."""
    hidden = secrets_for(env, secrets)

    def clean(text: str) -> str:
        return redact(text, hidden).encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    kept = {clean(name): REDACTED if SECRET.search(name) else clean(value) for name, value in env.items()}
    return tuple(clean(argument) for argument in argv), kept
