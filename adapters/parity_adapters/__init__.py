"""The adapters that ship with parity, one module or package per runtime."""
