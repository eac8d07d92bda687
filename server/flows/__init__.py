"""Use cases: what the product does, given a database session and a Grant."""
