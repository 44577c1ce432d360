"""Says why, and exits 1."""

import sys

print("the weights have the wrong shape", file=sys.stderr)
sys.exit(1)
