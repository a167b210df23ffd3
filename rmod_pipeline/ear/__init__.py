"""The ear: a small network that hears when each drum is hit in a mixture, and what its dry one-shot sounds like."""
