"""The kernels of the fused engine: what numba compiles. They take addresses and counts."""
