"""Protobuf messages as frozen structs: one edge between typed code and the protobuf runtime.

    class Word(msgspec.Struct, frozen=True):
        word: str = ""
        start_time: Duration | None = None

    words = Codec(Word, "google.cloud.speech.v1.WordInfo")
    words.parse(b"\\x1a\\x02hi")            # Word(word='hi', start_time=None)
    words.write(Word("hi"))                 # b'\\x1a\\x02hi'

A struct names the fields it cares for, as the `.proto` file does; others are skipped when read and
never written. `X | None` is a field that can be absent (a message, a member of a oneof, an
`optional` one), a tuple is a repeated one, `dict` a map, an int an enum.

The descriptors (`ossicle/proto/*.binpb`, made by `scripts/protos.py`) live in a pool of our own: a
process that also imports a vendor's package, with the same names in the default pool, has no
conflict. The runtime (extra `grpc`) is imported when the first message is read or written.
"""

import importlib
import importlib.resources
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from ossicle.core.errors import BadMessage, MissingExtra

__all__ = [
    "Codec",
    "Duration",
    "FieldMask",
    "Flag",
    "decode_error",
    "descriptor_pool",
    "message_class",
]

_Value = TypeVar("_Value", bound=msgspec.Struct)

_WELL_KNOWN = ("duration", "field_mask", "wrappers")
"""What our files import of the runtime's own."""


class Duration(msgspec.Struct, frozen=True):
    """`google.protobuf.Duration`."""

    seconds: int = 0
    nanos: int = 0

    @property
    def ms(self) -> int:
        """Whole milliseconds, rounded down."""
        return self.seconds * 1000 + self.nanos // 1_000_000

    @staticmethod
    def of_ms(ms: int) -> "Duration":
        """From whole milliseconds."""
        return Duration(ms // 1000, ms % 1000 * 1_000_000)


class Flag(msgspec.Struct, frozen=True):
    """`google.protobuf.BoolValue`: a boolean that can be absent."""

    value: bool = False


class FieldMask(msgspec.Struct, frozen=True):
    """`google.protobuf.FieldMask`."""

    paths: tuple[str, ...] = ()


@cache
def descriptor_pool() -> Any:
    """The private pool with every message and service of ours (for reflection, say).

    Raises:
        MissingExtra: the protobuf runtime is not installed.
    """
    try:
        pools = cast("Any", importlib.import_module("google.protobuf.descriptor_pool"))
        sets = cast("Any", importlib.import_module("google.protobuf.descriptor_pb2"))
    except ImportError as error:
        raise MissingExtra(
            "protobuf messages need the protobuf package: pip install 'ossicle[grpc]'"
        ) from error
    pool = pools.DescriptorPool()
    for name in _WELL_KNOWN:
        known = cast("Any", importlib.import_module(f"google.protobuf.{name}_pb2"))
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    folder = importlib.resources.files("ossicle") / "proto"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".binpb"):
            # in the order of their imports: the compiler writes a file after what it imports
            for file in sets.FileDescriptorSet.FromString(path.read_bytes()).file:
                pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def message_class(name: str) -> Any:
    """The runtime's own class of one message, by its full name.

    Raises:
        KeyError: no such message.
    """
    factory = cast("Any", importlib.import_module("google.protobuf.message_factory"))
    return factory.GetMessageClass(descriptor_pool().FindMessageTypeByName(name))


@cache
def decode_error() -> type[Exception]:
    """What the runtime raises for bytes that are no message."""
    errors = cast("Any", importlib.import_module("google.protobuf.message"))
    return cast("type[Exception]", errors.DecodeError)


class Codec(Generic[_Value]):
    """Reads and writes one kind of message. Made at import, built when first used."""

    __slots__ = ("_built", "kind", "name")

    def __init__(self, kind: type[_Value], name: str) -> None:
        """
        Args:
            kind: a frozen struct; every field has a default, as in protobuf.
            name: full name of the message.
        """
        self.kind = kind
        self.name = name
        self._built: tuple[Any, Callable[[Any], Any], type[Exception]] | None = None

    def parse(self, data: bytes) -> _Value:
        """The message in `data`.

        Raises:
            BadMessage: the bytes are no such message.
        """
        wire, read, broken = self._built or self._build()
        try:
            message = wire.FromString(data)
        except broken as error:
            raise BadMessage(
                f"{len(data)} bytes are no {self.name.rpartition('.')[2]} message"
            ) from error
        return cast("_Value", read(message))

    def write(self, value: _Value) -> bytes:
        """The bytes of a message; the same value gives the same bytes."""
        wire = (self._built or self._build())[0]
        return cast("bytes", wire(**_plain(value)).SerializeToString(deterministic=True))

    def check(self) -> None:
        """That the struct fits the descriptor.

        Raises:
            TypeError: it does not; names the field.
        """
        self._build()

    def _build(self) -> tuple[Any, Callable[[Any], Any], type[Exception]]:
        wire = message_class(self.name)
        read = _reader(self.kind, wire.DESCRIPTOR)
        self._built = (wire, read, decode_error())
        return self._built


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """What the runtime's constructor takes: None is left out, structs become dictionaries."""
    plain: dict[str, Any] = {}
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if held is None:
            continue
        if isinstance(held, msgspec.Struct):
            held = _plain(held)
        elif isinstance(held, tuple) and held and isinstance(held[0], msgspec.Struct):
            held = [_plain(each) for each in cast("tuple[msgspec.Struct, ...]", held)]
        plain[name] = held
    return plain


class _Shape(NamedTuple):
    """What an annotation says about a field."""

    absent: bool
    """`X | None`."""
    many: bool
    """`tuple[X, ...]`"""
    table: bool
    """`dict[str, str]`"""
    inner: Any
    """X, whatever stands around it."""


def _shape(annotation: Any) -> _Shape:
    arms = typing.get_args(annotation)
    absent = types.NoneType in arms
    inner: Any = next(arm for arm in arms if arm is not types.NoneType) if absent else annotation
    origin: object = typing.get_origin(inner)
    if origin is tuple:
        inner = typing.get_args(inner)[0]
    return _Shape(absent, origin is tuple, origin is dict, inner)


_PYTHON: dict[int, type[object]] = {9: str, 12: bytes, 8: bool, 2: float, 1: float}
"""By the number of the field's type; every other scalar is an int."""


def _reader(kind: type[msgspec.Struct], descriptor: Any) -> Callable[[Any], Any]:
    """From a runtime message to a struct, with everything looked up beforehand."""
    hints = typing.get_type_hints(kind)
    takers = [
        _taker(kind, name, _shape(hints[name]), descriptor.fields_by_name.get(name))
        for name in kind.__struct_fields__
    ]
    return lambda message: kind(*[take(message) for take in takers])


def _taker(
    kind: type[msgspec.Struct], name: str, shape: _Shape, field: Any
) -> Callable[[Any], Any]:
    """Reads one field."""
    place = f"{kind.__name__}.{name}"
    if field is None:
        raise TypeError(f"{place} is in no .proto file of ours")
    table = field.message_type is not None and field.message_type.GetOptions().map_entry
    many = field.is_repeated and not table
    absent = field.has_presence and not field.is_repeated
    if (shape.absent, shape.many, shape.table) != (absent, many, table):
        raise TypeError(f"{place} is {shape}; its field is optional={absent} repeated={many}")
    if table:
        return lambda message: dict(getattr(message, name))
    nested = field.message_type is not None
    expected: type[object] = msgspec.Struct if nested else _PYTHON.get(field.type, int)
    if not issubclass(shape.inner, expected) or (expected is int and shape.inner is bool):
        raise TypeError(f"{place} is {shape.inner}; its field is {expected}")
    if not nested:
        if many:
            return lambda message: tuple(getattr(message, name))
        if absent:
            return lambda message: getattr(message, name) if message.HasField(name) else None
        return lambda message: getattr(message, name)
    read = _reader(cast("type[msgspec.Struct]", shape.inner), field.message_type)
    if many:
        return lambda message: tuple([read(each) for each in getattr(message, name)])
    return lambda message: read(getattr(message, name)) if message.HasField(name) else None
