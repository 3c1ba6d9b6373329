"""`caffe time`: what each layer takes, forward and backward."""
