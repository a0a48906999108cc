"""A tiny real base, rows it can learn, and a stream of lessons over them."""

from tests.tiny_model import any_stream, base, biased, decoder, make_rows, settings, stream, tiny

__all__ = ["any_stream", "base", "biased", "decoder", "make_rows", "settings", "stream", "tiny"]
