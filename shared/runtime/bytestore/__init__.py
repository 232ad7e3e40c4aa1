"""Where bytes live: the `ByteStore` port and its adapters."""

from shared.runtime.bytestore.port import ByteStore

__all__ = ["ByteStore"]
