"""Define what a run makes: pairs that are rendered, or tokens of finished audio."""
