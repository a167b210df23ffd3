"""Tell from names what a sound is: the words, the reading of one name, and the reading of a whole folder tree."""
