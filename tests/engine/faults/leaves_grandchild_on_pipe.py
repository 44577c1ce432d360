"""Exits 0 at once; its child lives on and holds both pipes."""

import subprocess
import sys

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("done")
