"""Where jobs live: one protocol, several stores behind it, one conformance suite over all of them."""
