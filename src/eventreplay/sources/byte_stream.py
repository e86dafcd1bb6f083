"""Bytes of a file, plain or gzip, with a bound on what a small file may unfold to."""

from __future__ import annotations

import gzip
import zlib
from types import TracebackType
from typing import IO, Self

from eventreplay.errors import SourceError, SourceUnavailableError
from eventreplay.sources.listing import SourceFile

_ALWAYS_ALLOWED_BYTES = 64 * 1024 * 1024


class ByteStream:
    """Reads a file from its begin; a context manager.

    Args:
        file: what to read.
        gzip_ratio_max: how many times its size a gzip file may unfold to, beyond the first 64 MiB.

    Attributes:
        is_cut: whether a gzip file ended within its data, as one does that is still being written.
    """

    def __init__(self, file: SourceFile, *, gzip_ratio_max: int) -> None:
        self._name = file.name
        try:
            self._raw: IO[bytes] = file.path.open("rb")
            self._bytes_max = (
                max(_ALWAYS_ALLOWED_BYTES, file.path.stat().st_size * gzip_ratio_max)
                if file.is_gzip
                else None
            )
        except OSError as error:
            raise SourceUnavailableError(
                f"{file.name!r} cannot be opened.", hint="Check that it is there."
            ) from error
        self._stream: IO[bytes] | gzip.GzipFile = (
            gzip.GzipFile(fileobj=self._raw) if file.is_gzip else self._raw
        )
        self._bytes_read = 0
        self.is_cut = False

    def read(self, size_bytes: int) -> bytes:
        """Up to `size_bytes`; nothing at the end.

        Raises:
            SourceError: the gzip data is damaged, or unfolds beyond the bound.
        """
        if self.is_cut:
            return b""
        try:
            data = self._stream.read(size_bytes)
        except EOFError:
            self.is_cut = True
            return b""
        except (gzip.BadGzipFile, zlib.error) as error:
            raise SourceError(
                f"{self._name!r} is damaged gzip data.", hint="Write the file again."
            ) from error
        except OSError as error:
            raise SourceUnavailableError(
                f"{self._name!r} cannot be read.", hint="See the cause above."
            ) from error
        self._bytes_read += len(data)
        if self._bytes_max is not None and self._bytes_read > self._bytes_max:
            raise SourceError(
                f"{self._name!r} unfolds to more than {self._bytes_max} bytes.",
                hint="If it is no gzip bomb, raise gzip_ratio_max or unpack it.",
            )
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._raw.close()
