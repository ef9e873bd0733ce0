"""Images kept as the files a registry serves them in: fetched once, checked by digest, served to the engine."""
