"""Array work for one format: plans (which engine, which loop), chunks, threads."""
