"""The model class, what a model knows, and weights by name."""
