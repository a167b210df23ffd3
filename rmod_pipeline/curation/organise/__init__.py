"""Make a tidy tree of a folder of sounds, and undo it.

facts         what is known of each file: kind, brightness, length, copies; or why it cannot be used
plan          where each file goes, as rows; a pure function
apply, undo   place the files of the rows, and take exactly these away again
table         the rows as ``organised.csv`` in the tidy tree
"""
