"""A model's knowledge of its job, and its form as text; neither needs Keras."""
