"""Turn a finished data set into a folder to publish: licences, checksums, citation, and what a site asks for."""
