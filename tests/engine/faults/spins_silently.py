"""Prints nothing, but its child computes."""

import subprocess
import sys

subprocess.run([sys.executable, "-c", "while True: pass"], check=False)
