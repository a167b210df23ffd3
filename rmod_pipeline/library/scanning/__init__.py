"""Scan a folder of audio files into a manifest."""
