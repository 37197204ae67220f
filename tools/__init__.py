"""Tools of the repository's own documents. Nothing here goes into archives or is needed to serve them."""
