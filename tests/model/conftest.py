"""A tiny real base, rows it can learn, and a stream of lessons over them."""

from tests.tiny_model import base, biased, decoder, make_rows, settings, stream, tiny

__all__ = ["base", "biased", "decoder", "make_rows", "settings", "stream", "tiny"]
