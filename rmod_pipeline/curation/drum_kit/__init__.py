"""Make a drum kit from sounds that are no drums.

candidates   the sounds in a folder of files, cut at their onsets, with the classifier's answer to each
tune         length, pitch and level of a candidate as those of a drum of its class
choose       the candidates that become the pads of a kit, and no two of them alike
make, write  all of it in order, and the folder of the kit: sounds, Hydrogen, SFZ, CSV, manifest
play         a MIDI file, rendered with a kit
"""
