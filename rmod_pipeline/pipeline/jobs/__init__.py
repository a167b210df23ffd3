"""What a run makes: pairs rendered, or finished audio encoded."""
