"""From a song to the dry one-shots that are heard in it."""
