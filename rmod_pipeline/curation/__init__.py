"""Care for folders of sounds with an ear: organise them, harvest one-shots, make drum kits, find similar sounds."""
