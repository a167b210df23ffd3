"""Libraries of audio files: scanning, manifests, splits, decoding, near-duplicates and the built-in kit on disk."""
