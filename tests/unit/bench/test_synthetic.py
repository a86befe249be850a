import av
import numpy as np
import pytest

from vidgan.bench.synthetic import TONE_HERTZ, pan, pictures, write_clip
from vidgan.errors import SinkError

SIZE = (128, 96)


def test_the_texture_moves_as_it_says():
    first, second = pictures((640, 360), 2)
    across, down = pan((640, 360))
    assert (across, down) == (2, 1)  # 3 and 1 at 720 rows
    # The disc in the middle moves on its own.
    np.testing.assert_array_equal(second[:90, :-across], first[down : 90 + down, across:])
    assert (second[:90] != first[:90]).any()
    assert first.dtype == np.uint8
    assert 30 < first.std() < 60


def test_a_long_clip_turns_back_and_never_ends():
    positions = [picture[0, 0].tolist() for picture in pictures((32, 24), 60)]
    assert len(positions) == 60
    # 8 pixels of room across and 6 down, one a frame: there and back again after 48 frames.
    assert positions[1] == positions[49] != positions[9]


def test_the_same_bytes_every_time_with_sound(tmp_path):
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        write_clip(path, size=SIZE, num_frames=7)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(str(paths[0])) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(7)])
    drawn = list(pictures(SIZE, 7))
    for frame, picture in zip(frames, drawn, strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - picture).mean() < 8


def test_the_tone(tmp_path):
    write_clip(tmp_path / "a.mp4", size=SIZE, num_frames=25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(wave) / 48_000 == pytest.approx(1, abs=0.05)
    loudest = np.abs(np.fft.rfft(wave)).argmax() * 48_000 / len(wave)
    assert loudest == pytest.approx(TONE_HERTZ, abs=2)


@pytest.mark.parametrize(("size", "num_frames"), [((63, 48), 3), ((64, 47), 3), ((0, 0), 3), ((64, 48), 0)])
def test_what_cant_be_made(tmp_path, size, num_frames):
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}, {num_frames} frames"):
        write_clip(tmp_path / "a.mp4", size=size, num_frames=num_frames)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SinkError, match="can't be written"):
        write_clip(tmp_path / "absent" / "a.mp4", size=SIZE, num_frames=1)
