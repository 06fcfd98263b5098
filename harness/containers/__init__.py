"""Containers: the engine, the images of the pair, and what is brought up from them."""
