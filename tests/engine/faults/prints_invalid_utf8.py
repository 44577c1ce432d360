"""Prints every byte there is, a character cut in two by a pause, and an overlong zero."""

import os
import time

os.write(1, bytes(range(256)) + b"\n")
os.write(1, b"caf\xc3")
time.sleep(0.05)
os.write(1, b"\xa9\n\xc0\x80\n")
