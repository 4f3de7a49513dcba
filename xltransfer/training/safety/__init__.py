"""Detect failing steps during training and keep what reproduces them."""
