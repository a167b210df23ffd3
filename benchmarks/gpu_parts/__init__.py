"""The parts of benchmarks/gpu.py: what each measures, how its time is bounded, and where its results go."""
