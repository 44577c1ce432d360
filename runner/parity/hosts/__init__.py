"""Where trials run: this machine, through `hosts.local`, and the facts of a machine."""
