"""The libraries that are compared need not be installed, so pytest does not look into what imports them."""

collect_ignore = ["comparison", "programs", "tables"]
