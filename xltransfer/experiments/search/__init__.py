"""Search hyperparameters by validation scores."""
