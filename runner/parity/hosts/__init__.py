"""Where trials run: `host` says what a host is, `local` is this machine."""
