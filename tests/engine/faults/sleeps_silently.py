"""Neither prints nor computes."""

import time

time.sleep(600)
