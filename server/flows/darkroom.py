"""Where pictures are made: the pool of decoders, and a shelf of pictures made lately."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from dicom.decode_pool import Pool
from dicom.errors import DicomError
from dicom.pictures import Decoded, Frame, Options, Picture
from server.store.counters import Counters

_SHELF_BYTES = 32 << 20

# What a picture is of: SHA-256 of the data set, frame number, options.
Key = tuple[str, int, Options]


class Darkroom:
    """Renders and decodes frames. Safe for threads."""

    def __init__(
        self, pool: Pool, counters: Counters | None = None, shelf_bytes: int = _SHELF_BYTES
    ) -> None:
        self._pool = pool
        self._counters = counters or Counters()
        self._most = shelf_bytes
        self._shelf: OrderedDict[Key, Picture] = OrderedDict()
        self._held = 0
        self._mutex = Lock()

    def picture(self, key: Key, frame: Callable[[], Frame]) -> Picture:
        """A picture from the shelf, or made of the frame. Raises TooLarge or Undecodable."""
        with self._mutex:
            found = self._shelf.get(key)
            if found is not None:
                self._shelf.move_to_end(key)
                return found
        made = self.made(frame(), key[2])
        self._keep(key, made)
        return made

    def made(self, frame: Frame, options: Options) -> Picture:
        """A picture that is asked for once, and has no place on the shelf.

        The way to a child and back would take longer than a light picture does.
        """
        from dicom.render import is_light, render  # bring numpy, which most processes never need

        if is_light(frame, options):
            return render(frame, options)
        with self._asked():
            return self._pool.render(frame, options)

    def decoded(self, frame: Frame) -> Decoded:
        """A frame without compression. Raises TooLarge or Undecodable."""
        with self._asked():
            return self._pool.decode(frame)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Count what the decoders are asked for, and what became of it."""
        self._counters.add("decodes_open")
        outcome = "made"
        try:
            yield
        except DicomError:
            outcome = "refused"
            raise
        finally:
            self._counters.add("decodes_open", -1)
            self._counters.add("decodes_total", outcome=outcome)

    def _keep(self, key: Key, picture: Picture) -> None:
        """Put a picture on the shelf; those not asked for longest make room."""
        with self._mutex:
            if key in self._shelf or len(picture.data) > self._most:
                return
            self._shelf[key] = picture
            self._held += len(picture.data)
            while self._held > self._most:
                _, old = self._shelf.popitem(last=False)
                self._held -= len(old.data)

    def close(self) -> None:
        """End the decoders."""
        self._pool.close()
