import pytest

from vidgan.cli.names import check_free, check_name
from vidgan.errors import InputError


@pytest.mark.parametrize("name", ["none", "a/b", "a+b", "", ".hidden", "a\nb"])
def test_what_cannot_be_a_name_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="--name"):
        check_name(name, tmp_path)


@pytest.mark.parametrize("name", ["horse2zebra", "my style", "a_b-c.1", "größe"])
def test_words_are_names(name, tmp_path):
    check_name(name, tmp_path)


def test_a_style_of_somebody_else_is_not_trained_over(tmp_path, one_line):
    folder, checkpoint = tmp_path / "mine", tmp_path / "mine" / "training" / "checkpoint.pt"
    check_free(folder, checkpoint)
    folder.mkdir()
    (folder / "model.onnx").touch()
    with pytest.raises(InputError) as caught:
        check_free(folder, checkpoint)
    one_line(caught.value, folder, "--name")
    checkpoint.parent.mkdir()
    checkpoint.touch()
    check_free(folder, checkpoint)
