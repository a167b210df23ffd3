"""The formats of the sites that rmod can release to: what each asks for, and what it refuses."""
