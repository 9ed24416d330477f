"""What the benchmark is made of; `python tests/benchmarks` runs it."""
