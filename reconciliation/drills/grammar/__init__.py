"""From the nodes of a file to the values of `schema`: the whole grammar, served or not."""
