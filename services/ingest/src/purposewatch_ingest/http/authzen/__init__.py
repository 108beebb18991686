"""`/access/v1/evaluation` and `.../evaluations`: ask for decisions as OpenID AuthZEN does."""
