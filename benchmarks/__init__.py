"""`make bench`: speeds, as ratios in one run; results in docs/benchmarks.md."""
