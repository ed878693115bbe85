"""What `make bench` runs: ratios within one run, never a verdict on a time."""
