"""Turn a finished data set into a folder to publish: licences, checksums, citation, and what a site asks for.

The name is plural because ``rmod_pipeline.release`` is the function.
"""
