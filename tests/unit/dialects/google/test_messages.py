"""The messages by a table: name, bytes, object. It drives parse, write and the fuzz seeds."""

from typing import Any

import pytest

from ossicle.dialects.google.v1_messages import V1Codecs
from ossicle.dialects.google.v2_messages import (
    REQUEST,
    RESPONSE,
    STREAMING_REQUEST,
    STREAMING_RESPONSE,
)
from ossicle.dialects.protobuf import Codec

from .google_table import TABLE


@pytest.mark.parametrize(("name", "codec", "data", "value"), TABLE, ids=[row[0] for row in TABLE])
def test_bytes_and_objects(name: str, codec: Codec[Any], data: bytes, value: Any) -> None:
    assert codec.parse(data) == value
    assert codec.write(value) == data


def test_every_struct_fits_its_proto() -> None:
    for version in ("v1", "v1p1beta1"):
        for codec in vars(V1Codecs(f"google.cloud.speech.{version}")).values():
            codec.check()
    for codec in (REQUEST, RESPONSE, STREAMING_REQUEST, STREAMING_RESPONSE):
        codec.check()


@pytest.mark.parametrize("version", ["v1", "v1p1beta1", "v2"])
def test_names_and_numbers_are_those_of_the_services_own_package(version: str) -> None:
    types = pytest.importorskip(f"google.cloud.speech_{version}.types.cloud_speech")
    resource = types if version == "v2" else pytest.importorskip(
        f"google.cloud.speech_{version}.types.resource"
    )  # fmt: skip
    from ossicle.dialects.protobuf import descriptor_pool

    ours = descriptor_pool().FindFileByName(f"google/cloud/speech/{version}/cloud_speech.proto")
    checked = 0

    def compare(mine: Any, theirs: Any) -> None:
        nonlocal checked
        for field in mine.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated, field.has_presence) == (
                other.number,
                other.type,
                other.is_repeated,
                other.has_presence,
            ), f"{mine.full_name}.{field.name}"
            if field.enum_type is not None:
                numbers = {value.name: value.number for value in other.enum_type.values}
                for value in field.enum_type.values:
                    assert numbers[value.name] == value.number, value.name
            checked += 1
        for nested in mine.nested_types:
            compare(nested, theirs.nested_types_by_name[nested.name])

    for name, message in ours.message_types_by_name.items():
        theirs = getattr(types, name, None) or getattr(resource, name)
        compare(message, theirs.pb().DESCRIPTOR)
    assert checked > 60
