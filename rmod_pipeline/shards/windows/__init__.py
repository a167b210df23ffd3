"""What is computed from windows of sounds: families, arrays, writers, and features. Tokens build on it."""
