"""Prints a gigabyte in one line without end, and can't be talked out of it."""

import os
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
chunk = b"x" * (1 << 20)
for _ in range(1024):
    left = memoryview(chunk)
    while left:
        left = left[os.write(1, left) :]
