import base64
import errno
import logging
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidgan.errors import DiskFullError, SinkError
from vidgan.train.curves import Curves
from vidgan.train.page import Gallery, Page, Table, make_page, read_curves, write_page
from vidgan.train.page_curves import make_charts, number

EVIL = '<script>alert("&")</script>'


class Reader(HTMLParser):
    """Takes a page apart; every element that is opened must be closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.attributes, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def said(self, text):
        return any(text in part for part in self.texts)


def wave(count, step=10):
    return [(step * n, 1 + np.sin(n / 30)) for n in range(1, count + 1)]


@pytest.fixture
def page(noise):
    row = [noise(48, 32, seed) for seed in range(3)]
    return Page(
        title=f"horses {EVIL}",
        summary=[("steps", f"1,000 {EVIL}")],
        warnings=[f"step 5: {EVIL}"],
        tables=[
            Table(
                title=f"a to b {EVIL}",
                rows={
                    f"result {EVIL}": {"l1": 0.05, "psnr": 20.0, "contrast": 0.1, "new thing": 3.0},
                    "untouched": {"l1": 0.25, "psnr": 30.0},
                },
            )
        ],
        galleries=[Gallery(title=f"there {EVIL}", columns=["A", f"A to B {EVIL}", "A to B to A"], rows=[row, row])],
        curves={'losses/cycle_a <i>&"': wave(500), "losses/once": [(7, 0.5)], "diversity/a2b": wave(20)},
        commands=[f"vidgan stylize in.mp4 {EVIL}", "second line"],
    )


def test_every_text_is_shown_as_it_is(page):
    reader = Reader(make_page(page))
    assert {"script", "i"}.isdisjoint(reader.tags)
    for text in ("horses", "1,000", "step 5:", "a to b", "result", "there", "A to B", "vidgan stylize in.mp4"):
        assert reader.said(f"{text} {EVIL}")
    assert reader.said("second line")
    assert reader.said('cycle a <i>&"')


def test_it_needs_nothing_else(page):
    text = make_page(page)
    reader = Reader(text)
    sources = [value for name, value in reader.attributes if name in {"src", "href", "srcset", "data"}]
    assert len(sources) == 6
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "link" not in reader.tags
    assert "url(" not in text
    assert "@import" not in text


def test_pictures_are_those_given(page, noise):
    soft = cv2.GaussianBlur(noise(64, 40), (0, 0), 3)
    (encoded,) = re.findall(r"base64,([^\"]+)\"", make_page(Page(title="", galleries=[only(soft)])))
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(shown.astype(int) - soft).mean() < 2


def only(image):
    return Gallery(title="", columns=["A"], rows=[[image]])


def test_large_pictures_are_reduced(noise):
    text = make_page(Page(title="", galleries=[only(noise(1200, 600))]))
    assert 'width="512" height="256"' in text


def test_figures_have_units_and_the_best_is_marked(page):
    text = make_page(page)
    assert "dB, more is better" in text
    assert "0..1, less is better" in text
    lines = [line for line in text.splitlines() if 'scope="row"' in line]
    cells = {re.search(r'"row">([^<]*)', line)[1]: re.findall(r"<td( class=best)?>([^<]*)", line) for line in lines}
    assert cells == {
        "L1": [(" class=best", "0.0500"), ("", "0.250")],
        "PSNR": [("", "20.0"), (" class=best", "30.0")],
        "contrast": [("", "0.100"), ("", "–")],
        "new thing": [("", "3.00"), ("", "–")],
    }


def test_what_is_empty_is_left_out():
    reader = Reader(make_page(Page(title="bare")))
    assert "h2" not in reader.tags
    assert reader.said("bare")


def test_a_row_without_a_picture_for_each_column_is_refused(noise):
    gallery = Gallery(title="pairs", columns=["A", "B"], rows=[[noise(8, 8)]])
    with pytest.raises(ValueError, match="pairs: a row of 1 pictures for 2 columns"):
        make_page(Page(title="", galleries=[gallery]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1.00"), (0.0123, "0.0123"), (-2.5, "−2.50"), (12345.6, "12,346"), (3.6e-5, "3.6e−5")],
)
def test_numbers(value, text):
    assert number(value) == text


class TestWriting:
    def test_it_lies_there_alone(self, page, tmp_path):
        path = write_page(tmp_path / "new" / "page.html", page)
        assert [path] == list(path.parent.iterdir())
        assert path.read_text(encoding="utf-8") == make_page(page)

    def test_without_space_the_older_page_stays(self, page, tmp_path, monkeypatch):
        path = write_page(tmp_path / "page.html", Page(title="older"))
        before = path.read_bytes()

        def full(self, text, encoding):
            self.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(DiskFullError, match=r"page\.html"):
            write_page(path, page)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_where_nothing_can_be_written(self, page, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(SinkError, match=r"page\.html"):
            write_page(tmp_path / "file" / "page.html", page)


class TestReading:
    def write(self, folder, first, last, value):
        curves = Curves(folder, first)
        for step in range(first, last + 1):
            curves.scalars(step, {"losses/cycle": value, "accuracy/b": step / 100})
        curves.close()

    def test_steps_that_were_done_again_count_once(self, tmp_path):
        self.write(tmp_path, 1, 5, 1.0)
        self.write(tmp_path, 4, 7, 2.0)
        curves = read_curves(tmp_path)
        assert list(curves) == ["accuracy/b", "losses/cycle"]
        assert curves["losses/cycle"] == [(s, 1.0 if s < 4 else 2.0) for s in range(1, 8)]

    def test_all_points_of_a_long_run_are_read(self, tmp_path):
        self.write(tmp_path, 1, 12_000, 1.0)
        assert [step for step, _ in read_curves(tmp_path)["losses/cycle"]] == list(range(1, 12_001))

    def test_a_file_that_a_kill_cut_short(self, tmp_path):
        self.write(tmp_path, 1, 5, 1.0)
        (file,) = tmp_path.iterdir()
        file.write_bytes(file.read_bytes()[:-7])
        self.write(tmp_path, 5, 7, 2.0)
        assert read_curves(tmp_path)["losses/cycle"] == [(s, 1.0 if s < 5 else 2.0) for s in range(1, 8)]

    def test_nothing_to_read(self, tmp_path):
        assert read_curves(tmp_path / "missing") == read_curves(tmp_path) == {}

    def test_a_missing_package_is_a_notice(self, tmp_path, monkeypatch, caplog):
        monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
        with caplog.at_level(logging.WARNING):
            assert read_curves(tmp_path) == {}
        assert "pip install tensorboard" in caplog.text


def coordinates(html, kind):
    (found,) = re.findall(rf'class="{kind}" d="M([^"]*)"', html)
    flat = [float(value) for value in re.split(r"[L ]", found)]
    return list(zip(flat[::2], flat[1::2], strict=True))


class TestCharts:
    def test_few_points_are_drawn_as_they_are(self):
        html = make_charts({"losses/a": [(10, 1.0), (20, 3.0), (30, 2.0)]})
        (left, one), (middle, three), (right, two) = coordinates(html, "curve")
        assert (left, middle, right) == (0, 150, 300)
        assert one - two == pytest.approx(two - three, abs=0.2)
        assert one > two > three
        assert 'class="raw"' not in html
        assert "step 30" in html

    def test_many_are_smoothed_and_thinned_out(self):
        rng = np.random.default_rng(0)
        values = 2 + 0.3 * rng.standard_normal(20_000)
        html = make_charts({"losses/a": list(enumerate(values.tolist()))})
        smooth, raw = coordinates(html, "curve"), coordinates(html, "raw")
        assert 100 < len(smooth) <= 310
        assert 100 < len(raw) <= 300
        assert np.ptp([y for _, y in smooth]) < 0.1 * np.ptp([y for _, y in raw])
        assert smooth[-1][0] == 300

    def test_a_smoothed_curve_does_not_lag(self):
        """Nor is a straight line bent at its ends by more than a little."""
        html = make_charts({"losses/a": [(n, 100.0 + n) for n in range(200)]})
        drawn = coordinates(html, "curve")
        assert drawn[100][1] == pytest.approx((drawn[60][1] + drawn[140][1]) / 2, abs=0.2)

    def test_a_spike_does_not_flatten_the_rest(self):
        values = [(n, 1 + n / 2000) for n in range(1000)]
        values[500] = (500, 1e6)
        heights = [y for _, y in coordinates(make_charts({"losses/a": values}), "curve")]
        assert heights[0] - heights[-1] > 20

    def test_wide_ranges_are_logarithmic(self):
        html = make_charts({"losses/a": [(n, 10.0**-n) for n in range(5)]})
        assert "logarithmic" in html
        heights = [y for _, y in coordinates(html, "curve")]
        assert np.diff(heights) == pytest.approx(np.full(4, np.diff(heights).mean()), abs=0.5)
        assert "logarithmic" not in make_charts({"losses/a": [(1, 1.0), (2, 3.0)]})

    @pytest.mark.parametrize("values", [[0.0] * 3, [2.0] * 3, [-1.0, 1.0, 0.0], [1e-9, 2e-9, 3e-9], [5.0]])
    def test_flat_negative_tiny_and_single_ones(self, values):
        html = make_charts({"losses/a": list(enumerate(values))})
        Reader(html)
        assert all(0 <= y <= 100 for _, y in coordinates(html, "curve"))
        assert re.search(r'<span style="top:[^"]*">[^<]+</span>', html)

    def test_what_is_no_number_is_left_out(self):
        html = make_charts({"losses/a": [(1, float("nan")), (2, 1.0)], "losses/b": [(1, float("inf"))]})
        assert len(re.findall("<figure", html)) == 1
        assert "nan" not in html

    def test_groups_have_headings(self):
        html = make_charts({"accuracy/b": wave(3), "losses/a": wave(3), "losses/cycle_a": wave(3)})
        assert re.findall(r"<h3>([^<]*)|<b>([^<]*)", html) == [
            ("accuracy", ""),
            ("", "b"),
            ("losses", ""),
            ("", "a"),
            ("", "cycle a"),
        ]
