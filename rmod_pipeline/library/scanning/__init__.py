"""From a folder of audio files to a manifest."""
