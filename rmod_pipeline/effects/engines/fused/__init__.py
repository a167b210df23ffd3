"""The fused engine: the chains of pedalboard in compiled kernels, for all tracks of several pairs together."""
