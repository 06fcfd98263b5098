"""The rewrite step: the codemods over the copy of a repository, and what follows from them."""
