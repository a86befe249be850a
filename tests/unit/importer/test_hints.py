import pytest

from vidgan.importer.hints import FORMS, Hints, parse_hints, range_text


def test_hints_in_one_text_or_several():
    expected = Hints(layout="nchw", range=(-1.0, 1.0), channels="bgr", multiple=32)
    assert parse_hints(["layout=nchw,range=-1..1,channels=bgr,multiple=32"]) == expected
    assert parse_hints(["layout=NCHW, range = -1..1", "channels=BGR", "multiple=32"]) == expected
    assert parse_hints([]) == Hints()
    assert parse_hints(["part=netG_A,statistics=picture,align_corners=no,output_range=0..255"]) == Hints(
        part="netG_A", statistics="picture", align_corners="no", output_range=(0.0, 255.0)
    )


@pytest.mark.parametrize("text", [
    "colour=red", "layout", "=nchw", "", "layout=chw", "channels=gbr", "range=0-1", "range=1..0", "range=..1",
    "multiple=0", "multiple=-4", "multiple=4.5", "part=", "statistics=yes", "align_corners=true",
    "layout=nchw,layout=nhwc",
])  # fmt: skip
def test_wrong_hints_are_named(text, one_line):
    with pytest.raises(ValueError) as caught:
        parse_hints([text])
    one_line(caught.value, "--hint ", text.rpartition(",")[2])


def test_every_hint_is_listed():
    assert set(FORMS) == set(Hints.__dataclass_fields__)


def test_hints_for_the_other_kind_of_file():
    with pytest.raises(ValueError, match="part=a means nothing for an ONNX network"):
        Hints(part="a").refuse_for("onnx")
    with pytest.raises(ValueError, match="multiple=8 means nothing for weights"):
        Hints(multiple=8).refuse_for("weights")
    Hints(range=(0, 1), channels="bgr").refuse_for("onnx")
    Hints(range=(0, 1), channels="bgr").refuse_for("weights")


def test_ranges_as_text():
    assert [range_text(limits) for limits in ((-1.0, 1.0), (0.0, 255.0))] == ["-1..1", "0..255"]
