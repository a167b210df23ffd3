"""Commands in groups: `rmod library`, `rmod recipe`, `rmod codec`, `rmod dose`."""
